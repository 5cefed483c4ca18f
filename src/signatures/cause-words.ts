/** What each cause is called, what helps in general, and how a person finds out, where the line's entry says nothing of its own. */
import type { CauseName } from '../core/diagnosis.ts';

export interface CauseWords {
  /** A sentence; `{subject}` is what was named, with the words behind the bar where nothing was. */
  readonly sentence: string;
  readonly remedy: string;
  readonly confirm: string;
}

export const causeWords: Readonly<Record<CauseName, CauseWords>> = {
  'service.crashed': {
    sentence: 'The backend is not running any more: {subject|it ended by itself}.',
    remedy: 'Find out what ended it, then start it; repeat neither without the other.',
    confirm: 'Look at `systemctl status` of the unit: failed with a result is a crash, inactive with exit 0 is a stop.',
  },
  'service.start_limit_hit': {
    sentence: 'systemd has given up on {subject|the service}: it failed too often within a short time.',
    remedy: 'Mend its first failure, then `systemctl reset-failed` and start the unit once.',
    confirm: 'Read `journalctl -b -u` of the unit from its first failure on.',
  },
  'service.hung': {
    sentence: 'The service runs and takes no more work, its workers are stuck: {subject|see what they wait for}.',
    remedy: 'Find out what the workers wait for before you restart anything.',
    confirm: 'Workers in state S with no CPU wait for something (`cat /proc/PID/wchan`); in state R they are busy; in state D the disk is; in state T somebody stopped them.',
  },
  'service.starting': {
    sentence: '{subject|The service} is still starting.',
    remedy: 'Wait: it answers as soon as it is done.',
    confirm: 'See whether its own log moves on; as long as it does, wait.',
  },
  'service.stopped_by_operator': {
    sentence: '{subject|The service} was told to stop; it did not fail.',
    remedy: 'Find out who stopped it before you start it: a person, a package upgrade, a timer or a panel.',
    confirm: 'Look into the journal and the package manager’s log of that minute.',
  },
  'service.orphaned_workers': {
    sentence: 'Workers go on without their master and hold its socket: {subject|see who listens}.',
    remedy: 'End the left-over workers with QUIT, then start the service.',
    confirm: 'Look with `ss -xlnp` or `ss -ltnp` who holds the socket, and whether its parent is process 1.',
  },
  'oom.killed': {
    sentence: 'The kernel killed {subject|a process} for want of memory.',
    remedy: 'Give the one that eats the memory a limit (fewer workers, MemoryMax); the victim is often another.',
    confirm: 'Look with `journalctl -k` for "Killed process", and at `memory.events` of the unit’s cgroup.',
  },
  'dependency.database': {
    sentence: 'The database does not serve: {subject|look at its own log}.',
    remedy: 'Heal the database first; restart the application only if it does not come back by itself afterwards.',
    confirm: 'Ask the database itself, with its own client, from the machine of the application.',
  },
  'dependency.cache': {
    sentence: 'The cache does not serve: {subject|look at its own log}.',
    remedy: 'Heal the cache first; the application mostly comes back by itself.',
    confirm: 'Ask the cache itself: `redis-cli PING` from the machine of the application.',
  },
  'dependency.other': {
    sentence: 'Something that the service needs is the trouble: {subject|a host, a disk or an interface outside it}.',
    remedy: 'Heal that first, and give calls to it a time limit.',
    confirm: 'Find out what the workers wait for: `ss -tnp` shows to whom they are connected.',
  },
  'data.corrupt': {
    sentence: 'Data are damaged: {subject|those of the database}.',
    remedy: 'Copy the data folder away before anything else, then restore a backup or have somebody repair it who has done so before.',
    confirm: 'Look for the first such line, and for a full disk, a power loss or a kill before it.',
  },
  'load.cpu': {
    sentence: 'The machine has no CPU left: {subject|see who uses it up}.',
    remedy: 'Limit who uses it: the client, the script or the process; a restart brings the same load back.',
    confirm: 'Look with `top` who uses the CPU, and in the access log which client or path stands out.',
  },
  'load.memory': {
    sentence: 'The machine has no memory left for {subject|new processes}.',
    remedy: 'Have fewer or smaller processes: workers times memory of each must fit into the machine.',
    confirm: 'Look at MemAvailable in /proc/meminfo, `vm.overcommit_memory`, `kernel.pid_max`, and pids.current of the cgroup.',
  },
  'load.io': {
    sentence: 'Processes wait for a disk or a network file system that cannot keep up: {subject|see which}.',
    remedy: 'Find who keeps the disk busy, or bring the file system’s server back; processes in state D cannot be killed.',
    confirm: 'Look at /proc/pressure/io and `iostat -x`, and with `findmnt` at what the stuck files lie on.',
  },
  'load.network': {
    sentence: 'The network of the machine is at a limit: {subject|connections are dropped}.',
    remedy: 'Keep connections alive to the upstream, and raise the limit that the line names.',
    confirm: 'Compare the counter with its limit (`sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max`, `ss -s`).',
  },
  'app.slow': {
    sentence: 'The application answers too slowly: {subject|see what it waits for}.',
    remedy: 'Find what the slow page waits for (slow log, process list of the database) and give that call a time limit.',
    confirm: 'One page or all? One: the application. All: look at what the workers wait for, then at the load of the machine.',
  },
  'config.invalid': {
    sentence: 'A configuration is wrong: {subject|the line names the place}.',
    remedy: 'Correct the place that the line names, run the program’s own configuration test, and only then start or reload it.',
    confirm: 'Run the program’s own configuration test: `nginx -t`, `apachectl -t`, `php-fpm -tt`.',
  },
  'config.dns': {
    sentence: 'A name does not lead to the right address: {subject|look at the name in the line}.',
    remedy: 'Make the name resolve where the program runs, or write the address; nginx resolves names of upstreams only at its start.',
    confirm: 'Ask where the program runs: `getent ahosts NAME`, and compare with the address that the service listens on.',
  },
  'config.credentials': {
    sentence: 'A login is refused, user or password is wrong or missing: {subject|see whose}.',
    remedy: 'Compare the user and the password of the application with those of the server; look for an empty environment variable.',
    confirm: 'Log in with the very same user and password by hand, from the machine of the application.',
  },
  'config.permission': {
    sentence: 'Access is refused: {subject|a file, socket or port} may not be used by this user.',
    remedy: 'Give exactly this user the one right that is missing: owner, group or mode of the file and its folders, or the one SELinux rule.',
    confirm: 'Look with `namei -l PATH` at each folder of the path, and for "avc: denied" of the same second.',
  },
  'config.socket_mismatch': {
    sentence: 'The proxy asks for the backend at {subject|a socket} and the backend does not listen there.',
    remedy: 'Write the same path in both places: `listen` of the pool, and `fastcgi_pass` or ProxyPass.',
    confirm: 'Look with `ss -xlnp` which socket exists: another one of php-fpm means a wrong path, none at all means that it is down.',
  },
  'config.buffer_size': {
    sentence: 'A header is larger than the buffer that has to take it: {subject|look at the limit in the line}.',
    remedy: 'Raise the buffer that the line is about, or make the header smaller (cookies, debug headers).',
    confirm: 'Only some users or one page? Compare the size of their cookies and headers with the buffer.',
  },
  'config.timeout': {
    sentence: 'A time limit ends requests that would have been answered, or connections that were still wanted: {subject|look at the limit}.',
    remedy: 'Make the limits nest: PHP’s below php-fpm’s below nginx’s; keep-alive of the proxy shorter than that of the backend.',
    confirm: 'Do the failures come after a constant time? That time is the limit.',
  },
  'config.tls': {
    sentence: 'TLS to the upstream fails: {subject|certificate, name or protocol do not fit}.',
    remedy: 'Send the right name (proxy_ssl_server_name on), trust the right authority, and speak TLS only to a port that does.',
    confirm: 'Ask with `openssl s_client -connect HOST:PORT -servername NAME` what the upstream shows; check the clock too.',
  },
  'config.per_ip_limit': {
    sentence: 'A limit for each address refuses the proxy itself: {subject|all visitors come from one address}.',
    remedy: 'Exempt the proxy’s own address from the limit, and repair what made it count.',
    confirm: 'Look whose address is refused: is it that of the proxy or of the application?',
  },
  'capacity.workers_exhausted': {
    sentence: 'All workers are busy: {subject|the pool is at its limit}.',
    remedy: 'Find out what the workers wait for; raise the limit only if the memory of the machine holds that many workers.',
    confirm: 'Look at what the busy workers do: status page, slow log, process list of the database.',
  },
  'capacity.connections_exhausted': {
    sentence: 'The server takes no more connections: {subject|its limit is reached}.',
    remedy: 'See who holds the connections before you raise the limit: sleeping ones are a leak or pools that are too large, waiting ones a lock.',
    confirm: 'List them: `SHOW FULL PROCESSLIST`, `SELECT state, count(*) FROM pg_stat_activity GROUP BY 1`, `redis-cli CLIENT LIST`.',
  },
  'capacity.backlog_full': {
    sentence: 'The queue of connections that wait for {subject|the backend} is full.',
    remedy: 'Find out why it accepts too slowly; a longer queue alone only delays the failure.',
    confirm: 'Compare Recv-Q with Send-Q of the listening socket (`ss -xln`, `ss -ltn`), and look whether the workers are busy or stuck.',
  },
  'capacity.file_descriptors': {
    sentence: 'A process has no file descriptors left: {subject|its limit is reached}.',
    remedy: 'Count what it has open: if it grows without traffic it is a leak, and a higher limit only delays it; else raise LimitNOFILE.',
    confirm: 'Compare `ls /proc/PID/fd | wc -l` with "Max open files" in /proc/PID/limits.',
  },
  'capacity.ports_exhausted': {
    sentence: 'There is no free local port left for connections to {subject|the upstream}.',
    remedy: 'Keep connections to the upstream alive (`keepalive` in the upstream block), and use a unix socket where both are on one machine.',
    confirm: 'Count connections in TIME-WAIT to this one address: `ss -tan state time-wait | wc -l`.',
  },
  'disk.full': {
    sentence: 'There is no space left where {subject|the program} writes.',
    remedy: 'Free space on that very file system, then restart what stopped for want of it.',
    confirm: 'Look at `df` and `df -i` of the very path; a small tmpfs such as /run counts, too.',
  },
  'limit.tenant': {
    sentence: 'A limit that was set for this program alone is reached: {subject|look at the line}.',
    remedy: 'See what uses it up before you raise it.',
    confirm: 'Look at the limit itself, and whether its use grows with the traffic or without it.',
  },
  'net.port_blocked': {
    sentence: 'Packets to {subject|the upstream} are dropped or refused on the way.',
    remedy: 'Allow this one port from this one machine; leave the rest of the firewall as it is.',
    confirm: 'Does the service answer on its own machine? Then look at the counters of the rules (`nft list ruleset`, `iptables -nvL`) and at the cloud’s security group.',
  },
  'net.port_moved': {
    sentence: 'Nobody listens at {subject|the upstream’s address}: the service is elsewhere or down.',
    remedy: 'Look where it listens, and write the same address in both places.',
    confirm: 'Look with `ss -ltnp` who listens on which port: the service on another port or address has moved, none at all is down.',
  },
  'net.port_taken': {
    sentence: 'Another process already holds {subject|the address}.',
    remedy: 'Find its holder and decide which of the two belongs there; do not kill it before you know what it serves.',
    confirm: 'Look with `ss -ltnp` or `ss -xlnp` who holds the address.',
  },
  'app.segfault': {
    sentence: 'Workers crash in the middle of a request: {subject|the program or an extension}.',
    remedy: 'Find which object crashes, and take back or update it: an extension, opcache or its JIT, the version after an upgrade.',
    confirm: 'Look with `journalctl -k` for "segfault … in OBJECT", and in the package manager’s log what was upgraded before.',
  },
  'app.error': {
    sentence: 'The application itself fails: {subject|see its message}.',
    remedy: 'Correct the application, or go back to the version before; no restart helps.',
    confirm: 'Look for the first error of the application’s own log in this minute.',
  },
  'app.bad_response': {
    sentence: 'The application sends an answer that the proxy must refuse: {subject|see the header}.',
    remedy: 'Correct the header where it is made; if it worked before an upgrade of the proxy, that is stricter now.',
    confirm: 'Ask the backend directly with `curl -i` and look at its headers.',
  },
  'app.poison_request': {
    sentence: 'One request ends whatever worker takes it: {subject|look for it in the access log}.',
    remedy: 'Block this one request, and correct the code that it leads to.',
    confirm: 'Look which request stands in the access log or nginx’s error log in the second of each crash.',
  },
  'change.in_progress': {
    sentence: 'Somebody is changing the system right now: {subject|a package manager or a deployment}.',
    remedy: 'Wait until it is done.',
    confirm: 'Look whether the package manager still runs.',
  },
  unknown: {
    sentence: 'What was read names no cause that is known.',
    remedy: 'Give the error logs of nginx and of the backend, and the journal of the minutes before: `journalctl --since -30min` beside nginx’s error log.',
    confirm: 'Look for the first line of the trouble, in the log of the program that failed first.',
  },
};
