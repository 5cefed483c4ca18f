/**
 * What goodgateway has to make of each fault, written down before the causes that name them. `npm run faults` fails when
 * too many come out otherwise, when one is confidently wrong, or when anything harmful was done.
 *
 * `causes`: what a person who knows the fault would call it, the best word first; each of them counts as right, because it
 * is true and leads to the same remedy. `unknown` is tolerated and never right. `does`: all that may be done to a service,
 * beside to wait, to tell people and to let some visitors wait outside. Where nothing is to be done the list is empty, and
 * everything that disturbs is harmful.
 */
import type { ActionName } from '../../src/core/decision.ts';
import type { CauseName } from '../../src/core/diagnosis.ts';

/**
 * What is built for a fault. `php`, `php_tcp`: nginx, goodgateway, php-fpm on a unix socket or a port; `shop`: the same with
 * MariaDB and Redis, which goodgateway looks after too; `apache`: nginx, goodgateway, Apache with PHP; `node`: nginx,
 * goodgateway, a Node application; `nginx`: the same with another nginx as the backend; `systemd`: Debian's units.
 */
export type StackName = 'php' | 'php_tcp' | 'shop' | 'apache' | 'node' | 'nginx' | 'systemd';

export interface ExpectedFault {
  readonly stack: StackName;
  /** As an administrator would say it who knows it. */
  readonly fault: string;
  readonly causes: readonly [CauseName, ...CauseName[]];
  /** True for a moment, while the fault comes about or is mended: neither right nor wrong. */
  readonly onTheWay?: readonly CauseName[];
  readonly does: readonly ActionName[];
  /** Who makes it well: `person` where nothing on the host may do it, `itself` where it passes. */
  readonly healedBy: 'goodgateway' | 'person' | 'itself';
  /** Whose diagnosis counts; `any`: each of the stack's. Default: the service behind the gateway. */
  readonly service?: 'mariadb' | 'redis' | 'any';
}

type Faults = Readonly<Record<string, ExpectedFault>>;

/** 1: a backend service failed or froze. */
export const serviceFaults = {
  'php-killed': { stack: 'php', fault: 'kill -9 of every process of php-fpm', causes: ['service.crashed'], does: ['start'], healedBy: 'goodgateway' },
  'php-master-killed': { stack: 'php', fault: "kill -9 of php-fpm's master; its workers hold the socket", causes: ['service.orphaned_workers'], does: ['terminate_orphans'], healedBy: 'goodgateway' },
  'php-workers-killed': { stack: 'php', fault: "somebody's script kills php-fpm's workers by KILL, again and again", causes: ['service.crashed', 'app.segfault'], does: [], healedBy: 'person' },
  'php-frozen': { stack: 'php', fault: 'SIGSTOP of every process of php-fpm', causes: ['service.hung'], does: ['restart'], healedBy: 'goodgateway' },
  'php-workers-frozen': { stack: 'php', fault: "SIGSTOP of php-fpm's workers only", causes: ['service.hung'], does: ['restart'], healedBy: 'goodgateway' },
  'php-segfault-of-master': { stack: 'php', fault: "php-fpm's master and workers end by SIGSEGV at once", causes: ['service.crashed'], does: ['start'], healedBy: 'goodgateway' },
  'apache-killed': { stack: 'apache', fault: 'kill -9 of every process of Apache', causes: ['service.crashed'], does: ['start'], healedBy: 'goodgateway' },
  'apache-master-killed': {
    stack: 'apache',
    fault: "kill -9 of Apache's parent; its children hold the port",
    causes: ['service.orphaned_workers'],
    does: ['terminate_orphans'],
    healedBy: 'goodgateway',
  },
  'apache-frozen': { stack: 'apache', fault: 'SIGSTOP of every process of Apache', causes: ['service.hung'], does: ['restart'], healedBy: 'goodgateway' },
  'node-killed': { stack: 'node', fault: 'kill -9 of the Node application', causes: ['service.crashed'], does: ['start'], healedBy: 'goodgateway' },
  'node-exits': { stack: 'node', fault: 'the Node application ends by itself, by an error that nothing catches', causes: ['service.crashed'], does: ['start'], healedBy: 'goodgateway' },
  'node-crash-loop': { stack: 'node', fault: 'the Node application ends a moment after every start', causes: ['service.crashed'], does: ['start'], healedBy: 'person' },
  'node-deadlock': { stack: 'node', fault: 'the Node application stops in a wait that never ends, and accepts nothing more', causes: ['service.hung'], does: ['restart'], healedBy: 'goodgateway' },
  'node-out-of-memory': { stack: 'node', fault: 'the kernel ends the Node application, because its memory cgroup is full', causes: ['oom.killed'], does: ['start'], healedBy: 'goodgateway' },
  'php-worker-out-of-memory': {
    stack: 'php',
    fault: "the kernel ends php-fpm's workers one by one, because their memory cgroup is full",
    causes: ['oom.killed', 'limit.tenant', 'load.memory'],
    does: [],
    healedBy: 'person',
  },
  'database-killed': { stack: 'shop', fault: 'kill -9 of MariaDB', causes: ['service.crashed'], does: ['start'], healedBy: 'goodgateway', service: 'mariadb' },
  'database-down': { stack: 'shop', fault: 'MariaDB was shut down by somebody, and every page answers 500', causes: ['dependency.database'], does: [], healedBy: 'person' },
  'database-frozen': { stack: 'shop', fault: 'SIGSTOP of MariaDB, and every page waits for it', causes: ['dependency.database', 'capacity.workers_exhausted'], does: [], healedBy: 'person' },
  'database-recovers': {
    stack: 'systemd',
    fault: 'MariaDB was killed and applies its log, on a slow disk, before it takes connections',
    causes: ['service.starting'],
    onTheWay: ['service.crashed'],
    does: [],
    healedBy: 'itself',
    service: 'mariadb',
  },
  'database-corrupt': {
    stack: 'shop',
    fault: "a page of MariaDB's data files is damaged, and it ends at every start",
    causes: ['data.corrupt'],
    onTheWay: ['service.stopped_by_operator', 'service.starting', 'service.crashed'],
    does: [],
    healedBy: 'person',
    service: 'mariadb',
  },
  'redis-killed': { stack: 'shop', fault: 'kill -9 of Redis', causes: ['service.crashed'], does: ['start'], healedBy: 'goodgateway', service: 'redis' },
  'redis-down': { stack: 'shop', fault: 'Redis was shut down by somebody, and every page answers 500', causes: ['dependency.cache'], does: [], healedBy: 'person' },
  'redis-loading': {
    stack: 'shop',
    fault: 'Redis was started anew by somebody, loads a large dump, and answers LOADING',
    causes: ['dependency.cache', 'service.starting'],
    onTheWay: ['service.stopped_by_operator'],
    does: [],
    healedBy: 'itself',
    service: 'any',
  },
  'redis-misconf': { stack: 'shop', fault: 'Redis cannot save its data and answers MISCONF to every write', causes: ['dependency.cache', 'disk.full'], does: [], healedBy: 'person', service: 'any' },
  'api-down': { stack: 'shop', fault: 'an HTTP service that the pages ask is down', causes: ['dependency.other'], does: [], healedBy: 'person' },
  'stopped-on-purpose': { stack: 'systemd', fault: 'systemctl stop of php-fpm', causes: ['service.stopped_by_operator'], does: [], healedBy: 'person' },
  'start-limit-hit': {
    stack: 'systemd',
    fault: 'php-fpm was killed so often that systemd starts it no more',
    causes: ['service.start_limit_hit'],
    onTheWay: ['service.starting', 'service.crashed'],
    does: ['reset_failed_and_start'],
    healedBy: 'goodgateway',
  },
  'starts-slowly': { stack: 'systemd', fault: 'php-fpm is started by somebody and needs some seconds', causes: ['service.starting', 'change.in_progress'], does: [], healedBy: 'itself' },
} as const satisfies Faults;

/** 2: the host, or the application, is busier than it can be. */
export const loadFaults = {
  'cpu-hog': { stack: 'php', fault: 'a program of another service takes the processor', causes: ['load.cpu'], does: [], healedBy: 'person' },
  'cpu-own-script': {
    stack: 'php',
    fault: 'one PHP script computes without end, on every processor that php-fpm may use',
    causes: ['load.cpu', 'app.slow', 'capacity.workers_exhausted'],
    does: [],
    healedBy: 'person',
  },
  // not the machine's memory, which is nobody's to fill: that of a control group that both are in
  'memory-hog': { stack: 'php', fault: "a program of another service fills php-fpm's memory cgroup", causes: ['load.memory', 'limit.tenant', 'oom.killed'], does: [], healedBy: 'person' },
  'io-hog': { stack: 'php', fault: 'a program of another service keeps the disk busy on which every page writes', causes: ['load.io'], does: [], healedBy: 'person' },
  'network-hog': { stack: 'php_tcp', fault: 'a program of another service fills the line to the backend', causes: ['load.network'], does: [], healedBy: 'person' },
  'fork-bomb': {
    stack: 'php',
    fault: 'a fork bomb fills the pids cgroup that it shares with php-fpm, which can start no worker',
    causes: ['limit.tenant', 'load.cpu', 'capacity.workers_exhausted'],
    does: [],
    healedBy: 'person',
  },
  'slow-page': { stack: 'php', fault: 'one page takes seconds, and its visitors take every worker', causes: ['app.slow', 'capacity.workers_exhausted'], does: [], healedBy: 'itself' },
  'slow-database': { stack: 'shop', fault: 'every page waits for a slow query in MariaDB', causes: ['app.slow', 'capacity.workers_exhausted', 'dependency.database'], does: [], healedBy: 'itself' },
  'table-locked': {
    stack: 'shop',
    fault: 'a backup holds LOCK TABLES, and every page waits for it',
    causes: ['app.slow', 'capacity.workers_exhausted', 'dependency.database'],
    does: [],
    healedBy: 'person',
  },
  'session-lock': { stack: 'php', fault: 'every page waits for the lock of one session file', causes: ['app.slow', 'capacity.workers_exhausted'], does: [], healedBy: 'person' },
  'slow-remote-api': {
    stack: 'php',
    fault: 'every page waits for an HTTP service elsewhere that is silent',
    causes: ['app.slow', 'capacity.workers_exhausted', 'dependency.other'],
    does: [],
    healedBy: 'person',
  },
} as const satisfies Faults;

/** 3: a setting is wrong, or a limit too small. */
export const configurationFaults = {
  'php-syntax-error': { stack: 'php', fault: "php-fpm's configuration was broken, and it was killed", causes: ['config.invalid'], does: [], healedBy: 'person' },
  'apache-bad-directive': { stack: 'apache', fault: 'Apache got a directive of a module that is not there (SecRuleEngine), and was killed', causes: ['config.invalid'], does: [], healedBy: 'person' },
  'nginx-syntax-error': { stack: 'nginx', fault: 'the nginx behind the gateway got a broken configuration, and was killed', causes: ['config.invalid'], does: [], healedBy: 'person' },
  'socket-removed': { stack: 'php', fault: "php-fpm's socket file was removed", causes: ['config.socket_mismatch'], does: ['restart'], healedBy: 'goodgateway' },
  'socket-stale': { stack: 'php', fault: "php-fpm's socket file was replaced by one on which nobody listens", causes: ['config.socket_mismatch'], does: ['restart'], healedBy: 'goodgateway' },
  'socket-mode': { stack: 'php', fault: "php-fpm's socket file lets only root in (mode 0600)", causes: ['config.permission'], does: [], healedBy: 'person' },
  'socket-owner': { stack: 'php', fault: "php-fpm's socket file belongs to another user and group", causes: ['config.permission'], does: [], healedBy: 'person' },
  'socket-folder-mode': { stack: 'php', fault: "the folder of php-fpm's socket cannot be entered by the gateway", causes: ['config.permission'], does: [], healedBy: 'person' },
  'socket-of-another-version': {
    stack: 'php',
    fault: 'the gateway leads to php8.1-fpm.sock, php-fpm listens on php8.2-fpm.sock',
    causes: ['config.socket_mismatch', 'net.port_moved'],
    does: [],
    healedBy: 'person',
  },
  'dns-silent': { stack: 'node', fault: 'the DNS server does not answer for the name of the backend', causes: ['config.dns'], does: [], healedBy: 'person' },
  'dns-unknown-name': { stack: 'node', fault: 'the DNS server does not know the name of the backend (NXDOMAIN)', causes: ['config.dns'], does: [], healedBy: 'person' },
  'dns-wrong-answer': { stack: 'node', fault: 'the DNS server gives an old address for the name of the backend', causes: ['config.dns', 'net.port_moved'], does: [], healedBy: 'person' },
  'dns-slow': { stack: 'node', fault: 'the DNS server takes seconds for every answer', causes: ['config.dns'], does: [], healedBy: 'person' },
  'database-password': { stack: 'shop', fault: 'the password for MariaDB was changed, and the pages have the old one', causes: ['config.credentials'], does: [], healedBy: 'person' },
  'database-connections': { stack: 'shop', fault: 'MariaDB has too many connections', causes: ['capacity.connections_exhausted', 'dependency.database'], does: [], healedBy: 'person' },
  'redis-maxclients': { stack: 'shop', fault: 'Redis has reached maxclients', causes: ['capacity.connections_exhausted', 'dependency.cache'], does: [], healedBy: 'person' },
  'header-too-big': { stack: 'node', fault: 'the application sends a header that is larger than the gateway takes', causes: ['config.buffer_size', 'app.bad_response'], does: [], healedBy: 'person' },
  'timeout-too-short': { stack: 'php', fault: 'the gateway waits more briefly than a page takes', causes: ['config.timeout', 'app.slow'], does: [], healedBy: 'person' },
  'request-terminate-timeout': {
    stack: 'php',
    fault: 'php-fpm ends a worker whose page takes longer than request_terminate_timeout',
    causes: ['config.timeout', 'app.slow'],
    does: [],
    healedBy: 'person',
  },
  'tls-to-plain': { stack: 'node', fault: 'TLS is spoken to a plain HTTP port', causes: ['config.tls'], does: [], healedBy: 'person' },
  'certificate-expired': { stack: 'node', fault: "the backend's certificate has expired", causes: ['config.tls'], does: [], healedBy: 'person' },
  'http-to-fastcgi': { stack: 'php_tcp', fault: "HTTP is spoken to php-fpm's FastCGI port", causes: ['app.bad_response', 'config.socket_mismatch', 'net.port_taken'], does: [], healedBy: 'person' },
  'fastcgi-to-http': { stack: 'node', fault: 'FastCGI is spoken to an HTTP port', causes: ['app.bad_response', 'config.socket_mismatch', 'net.port_taken'], does: [], healedBy: 'person' },
  'per-ip-limit': { stack: 'nginx', fault: 'the backend allows one connection for each address, and all come from the gateway', causes: ['config.per_ip_limit'], does: [], healedBy: 'person' },
  'apache-workers': { stack: 'apache', fault: 'MaxRequestWorkers is reached by slow pages', causes: ['capacity.workers_exhausted', 'app.slow'], does: [], healedBy: 'itself' },
  'backlog-full': {
    stack: 'php',
    fault: "php-fpm's backlog is full, by a site that goes past goodgateway",
    causes: ['capacity.backlog_full', 'capacity.workers_exhausted', 'app.slow'],
    does: [],
    healedBy: 'person',
  },
  descriptors: { stack: 'node', fault: 'the application has no descriptor left (ulimit -n)', causes: ['capacity.file_descriptors'], does: [], healedBy: 'person' },
  'ports-exhausted': { stack: 'php_tcp', fault: 'all ephemeral ports to the backend are in TIME_WAIT', causes: ['capacity.ports_exhausted'], does: [], healedBy: 'itself' },
  'disk-full': { stack: 'php', fault: "the file system of php-fpm's log and data is full, and it died of that", causes: ['disk.full'], does: [], healedBy: 'person' },
  'inodes-full': { stack: 'php', fault: "the file system of php-fpm's log and data has no inode left, and it died of that", causes: ['disk.full'], does: [], healedBy: 'person' },
  'read-only': {
    stack: 'php',
    fault: "the file system of php-fpm's log and data is read-only, and it cannot start",
    causes: ['config.permission', 'disk.full', 'config.invalid'],
    does: [],
    healedBy: 'person',
  },
} as const satisfies Faults;

/** 4: a port is blocked, or has moved. */
export const portFaults = {
  'port-changed': { stack: 'apache', fault: 'Apache was started on its other port, which the gateway may use', causes: ['net.port_moved'], does: ['switch_upstream'], healedBy: 'goodgateway' },
  'port-changed-unannounced': { stack: 'apache', fault: 'Apache was started on a port that nobody told the gateway of', causes: ['net.port_moved'], does: [], healedBy: 'person' },
  'port-on-another-address': { stack: 'node', fault: 'the application listens on another address of the host', causes: ['net.port_moved'], does: [], healedBy: 'person' },
  'port-taken': { stack: 'apache', fault: 'Apache was killed, and another program took its port', causes: ['net.port_taken'], does: [], healedBy: 'person' },
  'firewall-drop': { stack: 'php_tcp', fault: "a firewall rule drops what goes to php-fpm's port", causes: ['net.port_blocked'], does: [], healedBy: 'person' },
  'firewall-reject': { stack: 'php_tcp', fault: "a firewall rule rejects what goes to php-fpm's port (ICMP)", causes: ['net.port_blocked'], does: [], healedBy: 'person' },
  'firewall-reset': { stack: 'php_tcp', fault: "a firewall rule answers for php-fpm's port with a reset", causes: ['net.port_blocked'], does: [], healedBy: 'person' },
} as const satisfies Faults;

/** 5: the application itself. */
export const applicationFaults = {
  'segfault-by-ffi': { stack: 'php', fault: 'every page runs into a null pointer of a library (FFI)', causes: ['app.segfault'], does: [], healedBy: 'person' },
  'segfault-by-signal': { stack: 'php', fault: 'workers end by SIGSEGV on one request in three, whatever it asks for', causes: ['app.segfault'], does: [], healedBy: 'person' },
  'endless-recursion': { stack: 'php', fault: 'a page calls itself without end until its stack is full', causes: ['app.poison_request', 'app.segfault'], does: [], healedBy: 'person' },
  'poison-request': { stack: 'php', fault: 'one address ends every worker that takes it; all others are well', causes: ['app.poison_request'], does: [], healedBy: 'goodgateway' },
  'fatal-error': { stack: 'php', fault: 'a new release calls a function that is not there', causes: ['app.error'], does: [], healedBy: 'person' },
  'memory-limit': { stack: 'php', fault: 'pages need more than memory_limit', causes: ['app.error'], does: [], healedBy: 'person' },
  'execution-time-limit': {
    stack: 'php',
    fault: 'pages compute longer than max_execution_time',
    causes: ['app.error', 'app.slow', 'config.timeout', 'load.cpu', 'capacity.workers_exhausted'],
    does: [],
    healedBy: 'person',
  },
  'node-errors': { stack: 'node', fault: 'the Node application answers every request with 500 and a stack trace', causes: ['app.error'], does: [], healedBy: 'person' },
  'duplicate-content-length': { stack: 'node', fault: 'the application sends two different Content-Length headers', causes: ['app.bad_response'], does: ['restart'], healedBy: 'person' },
  'junk-answer': { stack: 'node', fault: 'the application answers with words that are no HTTP', causes: ['app.bad_response'], does: ['restart'], healedBy: 'person' },
  'answer-cut': { stack: 'node', fault: 'the application closes the connection before the end of every header', causes: ['app.bad_response', 'app.error'], does: ['restart'], healedBy: 'person' },
} as const satisfies Faults;

/** Somebody is at work: nothing is broken that they will not mend. */
export const changeFaults = {
  'package-upgrade': { stack: 'php', fault: 'a package is upgraded, and its service is down meanwhile', causes: ['change.in_progress', 'service.crashed'], does: [], healedBy: 'itself' },
  deploy: { stack: 'php', fault: 'a deploy ends php-fpm, and starts it again at its end', causes: ['change.in_progress', 'service.crashed'], does: [], healedBy: 'itself' },
} as const satisfies Faults;

/** The families, in the words of the table. */
export const families = {
  service: 'a backend service failed or froze',
  load: 'too much load',
  configuration: 'wrong configuration, or a limit too small',
  port: 'a port is blocked or has moved',
  application: 'an application bug',
  change: 'somebody is at work',
} as const;
export type Family = keyof typeof families;

export const faultsOf = {
  service: serviceFaults,
  load: loadFaults,
  configuration: configurationFaults,
  port: portFaults,
  application: applicationFaults,
  change: changeFaults,
} as const satisfies Record<Family, Faults>;

export type FaultName = { [One in Family]: keyof (typeof faultsOf)[One] }[Family];
