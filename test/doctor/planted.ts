/** One trouble for each finding: how it is planted in a clean host, and what of the finding must be said. */
import type { X509Certificate } from 'node:crypto';
import { systemClock } from '../../src/core/time.ts';
import type { Outside } from '../../src/doctor/check.ts';
import type { LastRun } from '../../src/doctor/last-run.ts';
import { counted, gib, printing, processFiles, type Scene, type Stack } from './stack.ts';

export interface Planted {
  /** The id that must be found, and nothing else. */
  readonly finds: string;
  readonly trouble: string;
  readonly needsRoot?: true;
  plant?(stack: Stack): void;
  readonly scene?: Scene;
  /** A part of the change, or of what was found. */
  readonly says: RegExp;
}

const [shop, pool, fpm, host] = ['/etc/nginx/sites-enabled/shop', '/etc/php/8.2/fpm/pool.d/www.conf', '/etc/php/8.2/fpm/php-fpm.conf', '/etc/goodgateway/goodgateway.yaml'];
const phpUnit = '/lib/systemd/system/php8.2-fpm.service';

/** The service of the shop as a unit of systemd, with these lines in it. */
function asUnit(stack: Stack, lines: string): void {
  stack.edit('/etc/goodgateway/policies.d/php-fpm.yaml', /service:\n[^]*/, 'service: { type: systemd, unit: php8.2-fpm.service }\n');
  stack.write(phpUnit, `[Service]\nExecStart=/usr/sbin/php-fpm8.2\n${lines}\n`);
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 86_400_000);
}

function wallAt(days: number): Partial<Outside> {
  return { clock: { ...systemClock, wallMs: () => Date.now() + days * 86_400_000 } };
}

const tcp7080 = { chain: { family: 'inet', table: 'filter', name: 'input', hook: 'input', policy: 'accept', prio: 0 } };
const nft = (...exprs: readonly (readonly object[])[]): string =>
  JSON.stringify({ nftables: [{ metainfo: {} }, tcp7080, ...exprs.map((expr, handle) => ({ rule: { family: 'inet', table: 'filter', chain: 'input', handle, expr } }))] });
const dport = (right: unknown) => ({ match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right } });
const established = { match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established', 'related'] } };

const monthAgo: LastRun = { version: 1, checked_at: new Date(Date.now() - 30 * 86_400_000).toISOString(), findings: [], space: { '/': { free_bytes: 90 * gib, total_bytes: 100 * gib } } };
const nearlyFull = { device: 1, freeBytes: 2 * gib, totalBytes: 100 * gib, freeInodes: 900_000, totalInodes: 1_000_000 };

export const planted: readonly Planted[] = [
  // timeouts that do not nest
  {
    finds: 'nginx-read-timeout',
    trouble: 'nginx waits 60 s, its default',
    plant: (s) => s.edit(shop, '        fastcgi_read_timeout 320s;\n', ''),
    says: /shop:17, beside it: fastcgi_read_timeout 320s;/,
  },
  {
    finds: 'nginx-read-timeout',
    trouble: 'nginx waits too short, as the server says',
    plant: (s) => s.edit(shop, 'proxy_read_timeout 320s', 'proxy_read_timeout 5m'),
    says: /shop:26: proxy_read_timeout 320s;/,
  },
  {
    finds: 'nginx-read-timeout',
    trouble: 'a gateway in standby may take longer than nginx waits',
    plant: (s) => {
      s.edit(host, 'protocol: fastcgi,', 'protocol: fastcgi, standby: true, nginx_error_log: /var/log/nginx/error.log,');
      s.edit(shop, 'fastcgi_read_timeout 320s', 'fastcgi_read_timeout 60s');
    },
    says: /gateways\.shop\.timeouts\.response: 40s/,
  },
  {
    finds: 'nginx-read-timeout-backend',
    trouble: 'a place without a gateway, and nginx gives up before php-fpm',
    plant: (s) => s.edit(shop, '    location / {', '    location /direct {\n        fastcgi_pass unix:/run/php/php8.2-fpm.sock;\n        fastcgi_read_timeout 30s;\n    }\n    location / {'),
    says: /shop:23: fastcgi_read_timeout 65s;/,
  },
  {
    finds: 'gateway-response-timeout',
    trouble: 'php-fpm lets scripts run longer than the gateway waits',
    plant: (s) => s.edit(pool, 'request_terminate_timeout = 60s', 'request_terminate_timeout = 10m'),
    says: /timeouts\.response: 600s/,
  },
  { finds: 'php-execution-time', trouble: 'php-fpm kills before PHP may end', plant: (s) => s.edit('/etc/php/8.2/fpm/php.ini', '30', '120'), says: /max_execution_time\] = 55/ },
  { finds: 'php-execution-time', trouble: 'PHP has no limit at all', plant: (s) => s.edit(pool, 'pm = static', 'php_admin_value[max_execution_time] = 0\npm = static'), says: /no limit/ },
  // nginx in front
  {
    finds: 'nginx-max-fails',
    trouble: 'the backup counts failures',
    plant: (s) => s.edit(shop, 'php8.2-fpm.sock max_fails=0 backup', 'php8.2-fpm.sock max_fails=3 fail_timeout=5s backup'),
    says: /shop:3: server unix:\/run\/php\/php8\.2-fpm\.sock max_fails=0 backup;/,
  },
  {
    finds: 'nginx-next-upstream',
    trouble: 'a slow page is executed twice, by default',
    plant: (s) => s.edit(shop, '        fastcgi_next_upstream error;\n', ''),
    says: /fastcgi_next_upstream error;/,
  },
  {
    finds: 'nginx-next-upstream',
    trouble: 'a slow page is executed twice, as written',
    plant: (s) => s.edit(shop, 'proxy_next_upstream error', 'proxy_next_upstream error timeout http_502'),
    says: /shop:25: proxy_next_upstream error;/,
  },
  {
    finds: 'nginx-intercepts-errors',
    trouble: 'nginx replaces our page',
    plant: (s) => s.edit(shop, 'proxy_pass http://app;', 'proxy_intercept_errors on;\n        error_page 404 500 502 503 504 /50x.html;\n        proxy_pass http://app;'),
    says: /shop:22: proxy_intercept_errors off;/,
  },
  {
    finds: 'gateway-not-used',
    trouble: 'nginx still asks the backend itself',
    plant: (s) => s.edit(shop, '    server unix:/run/goodgateway/app.sock max_fails=0;\n    server 127.0.0.1:7080 max_fails=0 backup;', '    server 127.0.0.1:7080;'),
    says: /server unix:\/run\/goodgateway\/app\.sock max_fails=0;/,
  },
  // connections, descriptors, queues
  { finds: 'held-requests', trouble: "Debian's 768 connections", plant: (s) => s.edit('/etc/nginx/nginx.conf', 'worker_connections 4096', 'worker_connections 768'), says: /hold\.requests: 96 / },
  {
    finds: 'nginx-descriptors',
    trouble: 'fewer descriptors than connections',
    plant: (s) => s.edit('/etc/nginx/nginx.conf', 'worker_rlimit_nofile 8192', 'worker_rlimit_nofile 1024'),
    says: /worker_rlimit_nofile 8192;/,
  },
  {
    finds: 'nginx-descriptors',
    trouble: 'the workers were given few',
    plant: (s) => {
      s.edit('/etc/nginx/nginx.conf', 'worker_rlimit_nofile 8192;\n', '');
      s.edit('/proc/201/limits', '8192  ', '1024  ');
    },
    says: /\/proc\/201\/limits/,
  },
  {
    finds: 'descriptors-nearly-used',
    trouble: 'a worker of nginx leaks descriptors',
    plant: (s) => Array.from({ length: 9 }, (_, i) => s.write(`/proc/201/fd/${i}`, '')) && s.edit('/proc/201/limits', '8192  ', '10  '),
    says: /has 9 descriptors open; its limit is 10/,
    scene: {},
  },
  { finds: 'backlog-cut', trouble: 'the kernel allows less', plant: (s) => s.write('/proc/sys/net/core/somaxconn', '128\n'), says: /queue of 511 connections; the kernel allows 128/ },
  { finds: 'concurrency-above-workers', trouble: 'more requests than workers', plant: (s) => s.edit(host, 'protocol: fastcgi,', 'protocol: fastcgi, concurrency: 20,'), says: /concurrency: auto/ },
  { finds: 'keepalive-takes-workers', trouble: 'the gateway keeps all workers', plant: (s) => s.edit(host, 'protocol: fastcgi,', 'protocol: fastcgi, keepalive: 5,'), says: /keepalive: auto/ },
  {
    finds: 'keepalive-takes-workers',
    trouble: 'nginx keeps all workers',
    plant: (s) => {
      s.edit(shop, 'upstream app {', 'upstream direct {\n    server unix:/run/php/php8.2-fpm.sock;\n    keepalive 8;\n}\nupstream app {');
      s.edit(shop, '    location / {', '    location /direct {\n        fastcgi_pass direct;\n        fastcgi_keep_conn on;\n        fastcgi_read_timeout 60s;\n    }\n    location / {');
    },
    says: /shop:7: keepalive 1;/,
  },
  // workers and memory
  { finds: 'workers-exceed-memory', trouble: 'more workers than memory', plant: (s) => s.edit(pool, 'pm.max_children = 5', 'pm.max_children = 500'), says: /www\.conf:9: pm\.max_children = 88/ },
  {
    finds: 'workers-exceed-free-memory',
    trouble: 'more workers than is left',
    plant: (s) => {
      s.edit(pool, 'pm.max_children = 5', 'pm.max_children = 50');
      s.edit('/proc/meminfo', '6291456', '1048576');
    },
    says: /pm\.max_children = 16/,
  },
  {
    finds: 'workers-exceed-free-memory',
    trouble: 'all pools together, without root',
    plant: (s) => {
      s.edit(pool, 'pm.max_children = 5', 'pm.max_children = 80');
      s.write(
        '/etc/php/8.2/fpm/pool.d/blog.conf',
        '[blog]\nlisten = /run/php/blog.sock\npm.max_children = 80\npm.status_path = /status\npm.status_listen = /run/php/blog-status.sock\nrequest_terminate_timeout = 60s\n',
      );
      for (const [path, text] of Object.entries(processFiles(103, 100, 'php-fpm: pool blog'))) s.write(path, text);
      s.write('/proc/103/status', 'VmRSS:\t 90000 kB\nRssAnon:\t 65536 kB\n');
    },
    says: /www: 80 × 64 MiB, blog: 80 × 64 MiB|blog: 80 × 64 MiB, www: 80 × 64 MiB/,
  },
  {
    finds: 'workers-were-exhausted',
    trouble: 'all workers were taken',
    scene: { outside: counted({ 'max active processes': 5, 'max children reached': 3, 'max listen queue': 12 }) },
    says: /all were taken 3 times, and up to 12 requests waited/,
  },
  { finds: 'workers-nearly-exhausted', trouble: 'nearly all workers were taken', scene: { outside: counted({ 'max active processes': 5 }) }, says: /at most 5 of 5 workers/ },
  {
    finds: 'redis-overcommit',
    trouble: 'Redis and the default of the kernel',
    plant: (s) => {
      for (const [path, text] of Object.entries(processFiles(400, 1, '/usr/bin/redis-server 127.0.0.1:6379'))) s.write(path, text);
      s.write('/proc/sys/vm/overcommit_memory', '0\n');
    },
    says: /vm\.overcommit_memory = 1/,
  },
  // php-fpm
  {
    finds: 'reload-cuts-requests',
    trouble: 'the default of php-fpm',
    plant: (s) => s.edit(fpm, 'process_control_timeout = 20s\n', ''),
    says: /php-fpm\.conf, below \[global\]: process_control_timeout = 20s/,
  },
  {
    finds: 'status-listen',
    trouble: 'a pool without a status of its own',
    plant: (s) => s.edit(pool, 'pm.status_listen = /run/php/status.sock\n', ''),
    says: /pm\.status_listen = \/run\/php\/www-status\.sock/,
  },
  {
    finds: 'workers-crash',
    trouble: 'workers died by a fault',
    plant: (s) => s.write('/var/log/php8.2-fpm.log', '[26-Nov-2026 12:00:00] WARNING: [pool www] child 7 exited on signal 11 (SIGSEGV) after 2.1 seconds from start\n'.repeat(3)),
    says: /names 3 workers that died by a fault/,
  },
  // sockets
  {
    finds: 'socket-missing',
    trouble: 'the socket of another version',
    plant: (s) => s.edit(shop, 'php8.2-fpm.sock max_fails=0 backup', 'php8.1-fpm.sock max_fails=0 backup'),
    says: /there are: php8\.2-fpm\.sock/,
  },
  {
    finds: 'socket-missing',
    trouble: 'its folder was not made at boot',
    plant: (s) => s.edit(shop, '/run/php/php8.2-fpm.sock max_fails=0 backup', '/run/php-fpm/www.sock max_fails=0 backup'),
    says: /nginx passes to \/run\/php-fpm\/www\.sock, which is not there/,
  },
  { finds: 'socket-refused', trouble: 'nobody may write to the socket', plant: (s) => s.chmod('/run/goodgateway/app.sock', 0o440), says: /gateways\.app\.socket: \{ group: www-data, mode: "0660" \}/ },
  { finds: 'socket-refused', trouble: 'a folder above it is closed', plant: (s) => s.chmod('/run/php', 0o600), says: /chmod o\+x \/run\/php/ },
  {
    finds: 'socket-refused-later',
    // a master of root: the files here belong to whoever runs the test
    needsRoot: true,
    trouble: 'an upgrade replaced the file of the pool',
    plant: (s) => s.edit(pool, 'listen.owner = www-data\nlisten.group = www-data\n', ''),
    says: /listen\.owner = www-data and listen\.group = www-data/,
  },
  // ports and names
  {
    finds: 'nobody-listens',
    trouble: 'the application moved',
    plant: (s) => s.edit(shop, 'server 127.0.0.1:7080 max_fails=0 backup', 'server 127.0.0.1:7081 max_fails=0 backup'),
    says: /127\.0\.0\.1:7081, and nobody listens there/,
  },
  {
    finds: 'localhost-trap',
    trouble: 'localhost is ::1, too',
    plant: (s) => s.edit(shop, 'server 127.0.0.1:7080 max_fails=0 backup', 'server localhost:7080 max_fails=0 backup'),
    says: /write 127\.0\.0\.1:7080 instead of localhost/,
  },
  {
    finds: 'port-blocked',
    trouble: 'nftables drops it',
    plant: (s) => s.write('/usr/sbin/nft', ''),
    scene: { outside: printing({ '/usr/sbin/nft -j list ruleset': nft([established, { accept: null }], [dport({ set: [22, { range: [7000, 7999] }] }), { counter: {} }, { drop: null }]) }) },
    says: /the firewall drops that: rule 1 of inet filter input/,
  },
  {
    finds: 'port-blocked',
    trouble: 'iptables rejects it',
    plant: (s) => s.write('/usr/sbin/iptables-save', ''),
    scene: {
      outside: printing({
        '/usr/sbin/iptables-save':
          '*filter\n:INPUT ACCEPT [0:0]\n:MINE - [0:0]\n-A INPUT -i eth0 -j ACCEPT\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -j MINE\n-A MINE -p tcp -m tcp --dport 7080 -j REJECT --reject-with icmp-port-unreachable\nCOMMIT\n',
      }),
    },
    says: /the firewall rejects that: -A MINE/,
  },
  {
    finds: 'name-unresolved',
    trouble: 'the name of an upstream is gone',
    plant: (s) => s.edit(shop, 'server 127.0.0.1:7080 max_fails=0 backup', 'server app.internal:7080 max_fails=0 backup'),
    scene: { outside: { whyUnresolved: async () => 'ENOTFOUND' } },
    says: /app\.internal, which does not resolve: ENOTFOUND/,
  },
  {
    finds: 'name-server-silent',
    trouble: 'one of two name servers is silent',
    scene: { outside: { whySilent: async (server) => (server === '192.0.2.2' ? 'ETIMEOUT' : undefined) } },
    says: /resolv\.conf:2: /,
  },
  {
    finds: 'name-servers-silent',
    trouble: 'the only name server is silent',
    plant: (s) => s.write('/etc/resolv.conf', 'nameserver 192.0.2.1\n'),
    scene: { outside: { whySilent: async () => 'ETIMEOUT' } },
    says: /192\.0\.2\.1 did not answer/,
  },
  // disks and certificates
  { finds: 'disk-nearly-full', trouble: 'little space', scene: { outside: { space: async () => nearlyFull } }, says: /2 GiB of 100 GiB are free at \// },
  { finds: 'inodes-nearly-full', trouble: 'few inodes', scene: { outside: { space: async () => ({ ...nearlyFull, freeBytes: 50 * gib, freeInodes: 100 }) } }, says: /100 of 1000000 inodes/ },
  { finds: 'disk-trend', trouble: 'filled quickly', scene: { lastRun: monthAgo }, says: /In 30 days 40 GiB were filled at \/; 50 GiB are left\. At this pace it is full in 38 days/ },
  { finds: 'certificate-ends', trouble: 'renewal failed', scene: { outside: wallAt(3640) }, says: /ends in [89] days/ },
  { finds: 'certificate-ended', trouble: 'the certificate is over', scene: { outside: wallAt(3651) }, says: /ended [01] days ago/ },
  {
    finds: 'certificate-ended',
    trouble: "the backend's certificate is over",
    plant: (s) => s.edit(host, 'protocol: http,', 'protocol: http, tls: { server_name: app.internal },'),
    scene: { outside: { certificateAt: async (_, serverName) => ({ validFromDate: new Date(0), validToDate: new Date(0), subject: `CN=${serverName}` }) as X509Certificate } },
    says: /CN=app\.internal ended/,
  },
  // who restarts
  { finds: 'nobody-restarts', trouble: 'a unit of nobody', plant: (s) => s.edit('/etc/systemd/system/nginx.service', 'Restart=on-failure\n', ''), says: /systemctl edit nginx\.service/ },
  {
    finds: 'restarts-use-up-limit',
    trouble: 'a drop-in restarts too quickly',
    plant: (s) => s.write('/etc/systemd/system/nginx.service.d/fast.conf', '[Service]\nRestartSec=100ms\n'),
    says: /Restart=on-failure with 0\.1 s between/,
  },
  { finds: 'systemd-restarts-too', trouble: 'two that restart', plant: (s) => asUnit(s, 'Restart=always\nRestartSec=3'), says: /goodgateway waits RestartSec \+ 2 s/ },
  { finds: 'no-start-left', trouble: 'a start limit of one', plant: (s) => asUnit(s, '[Unit]\nStartLimitBurst=1'), says: /StartLimitBurst=5/ },
  {
    finds: 'own-unit-not-restarted',
    trouble: 'goodgateway itself stays down',
    plant: (s) => {
      s.write('/etc/systemd/system/multi-user.target.wants/goodgateway.service', '');
      s.write('/etc/systemd/system/goodgateway.service', '[Service]\nExecStart=/usr/local/bin/goodgateway run\n');
    },
    says: /Restart=no/,
  },
  {
    finds: 'other-healer',
    trouble: 'Monit starts php-fpm',
    plant: (s) => {
      for (const [path, text] of Object.entries(processFiles(300, 1, '/usr/bin/monit -c /etc/monit/monitrc'))) s.write(path, text);
      s.write('/etc/monit/conf-enabled/php', 'check process php8.2-fpm with pidfile /run/php/php8.2-fpm.pid\n  start program = "/usr/sbin/service php8.2-fpm start"\n');
    },
    says: /conf-enabled\/php:1/,
  },
  {
    finds: 'other-healer-here',
    trouble: 'a panel looks after web servers, and no policy acts',
    plant: (s) => {
      for (const [path, text] of Object.entries(processFiles(300, 1, 'chkservd - checking httpd'))) s.write(path, text);
      s.edit('/etc/goodgateway/policies.d/php-fpm.yaml', 'mode: act', 'mode: observe');
    },
    says: /chkservd|Service Manager/,
  },
  // configurations
  {
    finds: 'config-test-fails',
    trouble: 'a pool file is broken',
    scene: {
      outside: printing({ '/usr/sbin/php-fpm8.2 --fpm-config /etc/php/8.2/fpm/php-fpm.conf -t': { exitCode: 78, output: "ERROR: [/etc/php/8.2/fpm/pool.d/www.conf:9] unknown entry 'pm.max'\n" } }),
    },
    says: /unknown entry 'pm\.max'/,
  },
  {
    finds: 'config-test-fails',
    trouble: 'nginx would not start',
    scene: { outside: printing({ '/usr/sbin/nginx -t -c /etc/nginx/nginx.conf': { exitCode: 1, output: 'nginx: [emerg] unknown directive "serverr" in /etc/nginx/nginx.conf:3\n' } }) },
    says: /unknown directive/,
  },
  {
    finds: 'apache-sees-one-client',
    trouble: 'mod_evasive behind a proxy',
    plant: (s) => {
      s.write('/etc/apache2/mods-enabled/evasive.load', 'LoadModule evasive20_module /usr/lib/apache2/modules/mod_evasive20.so\n');
      s.write('/etc/apache2/ports.conf', 'Listen 127.0.0.1:7080\n');
    },
    says: /RemoteIPHeader/,
  },
  // our own files
  {
    finds: 'own-configuration',
    trouble: 'a mistake in a policy',
    plant: (s) => s.edit('/etc/goodgateway/policies.d/app.yaml', 'mode: observe', 'mode: watch'),
    says: /Its configuration has a mistake: mode: expected observe/,
  },
  {
    finds: 'own-file-changeable',
    trouble: 'a policy that everybody may write',
    plant: (s) => {
      s.edit('/etc/goodgateway/policies.d/php-fpm.yaml', 'mode: act', 'mode: observe');
      s.chmod('/etc/goodgateway/policies.d/app.yaml', 0o666);
    },
    says: /chmod go-w .*app\.yaml/,
  },
  {
    finds: 'own-folder-writable',
    trouble: 'everybody may write into the state',
    plant: (s) => {
      s.write('/var/lib/goodgateway/counters.json', '{}');
      s.chmod('/var/lib/goodgateway', 0o777);
    },
    says: /chmod o-w \/var\/lib\/goodgateway/,
  },
];

/** What looks like a trouble, and is none. */
export const wellDone: readonly { readonly name: string; plant?(stack: Stack): void; readonly scene?: Scene }[] = [
  {
    name: 'the other spelling of a socket',
    plant: (s) => s.edit(host, 'listen: unix:/run/goodgateway/shop.sock', 'listen: unix:/var/run/goodgateway/shop.sock'),
  },
  { name: 'nginx may give up on the next server altogether', plant: (s) => s.edit(shop, 'proxy_next_upstream error', 'proxy_next_upstream off') },
  { name: 'a server that is switched off', plant: (s) => s.edit(shop, 'server 127.0.0.1:7080 max_fails=0 backup;', 'server 127.0.0.1:7080 max_fails=0 backup;\n    server 127.0.0.1:7099 down;') },
  {
    name: 'interception where no page of nginx stands for our statuses',
    plant: (s) => s.edit(shop, 'proxy_pass http://app;', 'proxy_intercept_errors on;\n        error_page 404 /404.html;\n        proxy_pass http://app;'),
  },
  {
    name: 'a socket whose ACL lets nginx in, which its mode does not show',
    plant: (s) => {
      s.edit(pool, 'listen.mode = 0660', 'listen.acl_users = www-data');
      s.chmod('/run/php/php8.2-fpm.sock', 0o440);
    },
  },
  {
    name: 'a pass of stream, which is no HTTP, and here no TCP',
    plant: (s) => s.edit('/etc/nginx/nginx.conf', 'http {', 'stream { server { listen 53 udp; proxy_pass 127.0.0.1:5353; } }\nhttp {'),
  },
  {
    name: 'a certificate of a week that is renewed every four days',
    plant: (s) => s.edit(host, 'protocol: http,', 'protocol: http, tls: { server_name: app.internal },'),
    scene: { outside: { certificateAt: async () => ({ validFromDate: daysFromNow(-5), validToDate: daysFromNow(2), subject: 'CN=app' }) as X509Certificate } },
  },
  { name: 'the files of a PHP that was removed', plant: (s) => s.write('/etc/php/8.1/fpm/php-fpm.conf', '[www]\nlisten = /run/php/php8.1-fpm.sock\npm.max_children = 5\n') },
  {
    name: 'a php-fpm whose program is not there: no other tests its files',
    plant: (s) => {
      s.write('/usr/sbin/php-fpm', '');
      s.write(
        '/etc/opt/remi/php74/php-fpm.conf',
        '[global]\nprocess_control_timeout = 20s\n[old]\nlisten = /run/old.sock\npm.status_path = /status\npm.status_listen = /run/old-status.sock\nrequest_terminate_timeout = 60s\n',
      );
    },
    scene: { outside: printing({ '/usr/sbin/php-fpm --fpm-config /etc/opt/remi/php74/php-fpm.conf -t': { exitCode: 78, output: 'ERROR: unknown entry' } }) },
  },
  { name: 'a pass to a variable', plant: (s) => s.edit(shop, 'location / {', 'location /v { proxy_pass http://$where; }\n    location / {') },
  {
    name: 'nobody listens, but the kernel leads connections elsewhere',
    plant: (s) => s.edit(shop, 'server 127.0.0.1:7080 max_fails=0 backup', 'server 127.0.0.1:7081 max_fails=0 backup'),
    scene: { outside: { accepts: async () => true } },
  },
  {
    name: 'localhost on both protocols',
    plant: (s) => {
      s.edit(shop, 'server 127.0.0.1:7080 max_fails=0 backup', 'server localhost:7080 max_fails=0 backup');
      s.write('/proc/net/tcp6', '   0: 00000000000000000000000001000000:1BA8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 1002 1 0 100 0 0 10 0\n');
    },
  },
  {
    name: 'a rule of which it is not known whether it matches',
    plant: (s) => s.write('/usr/sbin/nft', ''),
    scene: {
      outside: printing({ '/usr/sbin/nft -j list ruleset': nft([dport(7080), { match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: '192.0.2.7' } }, { drop: null }]) }),
    },
  },
  {
    name: 'supervisord looks after something else',
    plant: (s) => {
      for (const [path, text] of Object.entries(processFiles(300, 1, '/usr/bin/python3 /usr/bin/supervisord -n'))) s.write(path, text);
      s.write('/etc/supervisor/conf.d/queue.conf', '[program:queue]\ncommand=/usr/bin/queue-worker\n');
    },
  },
  {
    name: 'Apache knows its visitors',
    plant: (s) => {
      s.write('/etc/apache2/mods-enabled/evasive.load', 'LoadModule evasive20_module /usr/lib/apache2/modules/mod_evasive20.so\n');
      s.write('/etc/apache2/mods-enabled/remoteip.load', 'LoadModule remoteip_module /usr/lib/apache2/modules/mod_remoteip.so\n');
      s.write('/etc/apache2/conf-enabled/remoteip.conf', 'RemoteIPHeader X-Forwarded-For\n');
      s.write('/etc/apache2/ports.conf', 'Listen 127.0.0.1:7080\n');
    },
  },
  {
    name: 'a worker that was killed, and one that crashed once',
    plant: (s) =>
      s.write(
        '/var/log/php8.2-fpm.log',
        'WARNING: [pool www] child 7 exited on signal 9 (SIGKILL)\n'.repeat(9) + 'WARNING: [pool www] child 8 exited on signal 11 (SIGSEGV)\nWARNING: [pool www] child 9 exited with code 11\n',
      ),
  },
  { name: 'a large disk with little per cent free', scene: { outside: { space: async () => ({ ...nearlyFull, totalBytes: 1000 * gib, freeBytes: 20 * gib }) } } },
  { name: 'a unit that nobody starts', plant: (s) => s.write('/lib/systemd/system/apache2.service', '[Service]\nExecStart=/usr/sbin/apache2\n') },
  { name: 'workers without a limit of time', plant: (s) => s.edit(pool, 'request_terminate_timeout = 60s\n', '') },
];
