import t from 'tap';
import * as registered from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import type { Suspect } from '../../src/core/diagnosis.ts';
import { describeStranger } from '../../src/upstream/fastcgi/describe-stranger.ts';
import { describeForeign } from '../../src/upstream/http/foreign-answer.ts';
import { caseFile, evidence, serviceConfig, serviceTarget, type Scene } from '../fixtures/healer/case-file.ts';

const causes = Object.values(registered);
const at = '127.0.0.1:9000';
const other = '127.0.0.1:9001';

const state = (name: string, more = {}) => evidence('service_state', { state: name, ...more });
const listener = (name: string, more = {}) => evidence('listener', { address: at, current: true, state: name, ...more });
const elsewhere = (more = {}) => evidence('listener', { address: other, current: false, state: 'listening', ...more });
const connect = (result: string) => evidence('connect', { address: at, result });
const processes = (more = {}) => evidence('processes', { total: 6, stopped: 0, diskWait: 0, zombie: 0, running: 0, frozen: false, cpuShare: 0, ...more });
const workers = (busy: number, idle: number, stopped = 0) => evidence('workers', { total: busy + idle + stopped, busy, idle, stopped });
const pool = (maxChildren: number) => evidence('fpm_pool', { pool: 'www', file: '/etc/php/8.2/fpm/pool.d/www.conf', line: 12, maxChildren });
const log = (signature: string, text: string, more = {}) => evidence('log', { signature, count: 1, ...more }, text);
const configTest = (passed: boolean) => evidence('config_test', { passed, exitCode: passed ? 0 : 78, command: 'php-fpm8.2 -t', line: passed ? '' : "ERROR: [/etc/x.conf:7] unknown entry 'foo'" });
const answer = (result: string) => evidence('http_answer', { result });
const orphans = evidence('orphans', { pids: ['11', '12'], address: at, program: 'php-fpm8.2' });
const killer = (request: string) => evidence('killed_worker', { request, deaths: 2, how: ['by SIGSEGV'] });
const deaths = (count: number, suspects = 0) => evidence('worker_deaths', { deaths: count, how: ['by SIGSEGV'], suspects });
const database = (more = {}) => evidence('dependency', { name: 'mariadb', kind: 'database', incident: true, ...more });
const disk = (more = {}) => evidence('disk_full', { path: '/var/log', use: 'sure', freeBytes: 0, totalBytes: 1e9, inodes: false, spent: true, ...more });
const diskFull = disk();
const readOnly = (use = 'sure') => evidence('disk_read_only', { path: '/var/log', use });
const sealed = evidence('config_test', { passed: false, command: 'php-fpm8.2 -t', line: 'ERROR: failed to open error_log (/var/log/fpm.log): Read-only file system (30)' });
const cutOff = evidence('http_answer', { result: 'failure', failure: 'connection_terminated' }, 'GET /: 127.0.0.1:9000 reset the connection before it answered.');
const tooLong = evidence('http_answer', { result: 'junk', failure: 'http_response_header_size' }, 'GET /: 127.0.0.1:9000 sent a header field longer than 64 KiB.');
/** As the gateways say it, by the bytes of the first answer. */
const answered = (says: string) => ({ kind: 'http_protocol_error', text: `3 failed requests in 10 s, the last one: 127.0.0.1:9000 ${says}` }) as const;
const unlimited = { startLimitHit: true, startsLeft: 0 };
const external = serviceTarget({ config: serviceConfig({ type: 'external' }), protocol: 'http', upstreams: [at, other] });
const http = serviceTarget({ protocol: 'http' });
const mariadb = serviceTarget({ config: serviceConfig({ type: 'systemd', unit: 'mariadb.service' }), protocol: undefined });
const onSocket = serviceTarget({ upstreams: ['unix:/run/shop.sock'] });
const socket = (name: string, more = {}) => evidence('listener', { address: 'unix:/run/shop.sock', current: true, state: name, byService: true, ...more });

interface Row {
  readonly scene: string;
  readonly file: Scene;
  /** What comes out on top. */
  readonly best: readonly [Suspect['cause'], Suspect['confidence']];
  /** What the sentence or the remedy must say. */
  readonly says?: RegExp;
  readonly never?: readonly Suspect['cause'][];
}

const rows: readonly Row[] = [
  {
    scene: 'one request ended its worker twice',
    file: { evidence: [state('running'), workers(1, 4), killer('GET /boom.php')] },
    best: ['app.poison_request', 'certain'],
    says: /GET \/boom\.php ends the worker that takes it \(2 times by SIGSEGV\); shop itself is well.*A restart does not help/,
    never: ['app.segfault', 'service.crashed'],
  },
  { scene: 'other workers ended as well', file: { evidence: [state('running'), killer('GET /boom.php'), deaths(4)] }, best: ['app.poison_request', 'certain'] },
  {
    scene: 'one request ended its worker twice, and two others did once: it is not that one',
    file: { evidence: [state('running'), killer('GET /a.php'), deaths(2, 2)] },
    best: ['app.segfault', 'certain'],
    says: /4 workers of shop ended by SIGSEGV in the last minute/,
  },
  { scene: 'three requests ended their workers twice', file: { evidence: [state('running'), killer('GET /a.php'), killer('GET /b.php'), killer('GET /c.php')] }, best: ['app.segfault', 'certain'] },
  {
    scene: 'it killed its worker twice, and then the service ended',
    file: { evidence: [state('failed'), listener('nobody'), killer('GET /boom.php')] },
    best: ['service.crashed', 'certain'],
    never: ['app.poison_request'],
  },
  {
    scene: 'it killed its worker twice, and all workers are busy',
    file: { evidence: [state('running'), workers(5, 0), pool(5), killer('GET /boom.php')] },
    best: ['capacity.workers_exhausted', 'certain'],
  },
  {
    scene: 'workers end by faults, and nobody is to blame',
    file: { evidence: [state('running'), workers(1, 4), deaths(3)] },
    best: ['app.segfault', 'certain'],
    says: /3 workers of shop ended by SIGSEGV in the last minute, and no single request can be blamed\..*A restart does not cure/,
    never: ['app.poison_request'],
  },
  { scene: 'two workers ended by a fault in a minute', file: { evidence: [state('running'), workers(1, 4), deaths(2)] }, best: ['unknown', 'possible'], never: ['app.segfault'] },
  {
    scene: 'failed and nobody listens',
    file: { evidence: [state('failed', { exitSignal: 'SIGKILL' }), listener('nobody')] },
    best: ['service.crashed', 'certain'],
    says: /shop was ended by SIGKILL\..*systemctl start php8\.2-fpm\.service/,
  },
  { scene: 'failed with an exit status', file: { evidence: [state('failed', { exitCode: 78 }), listener('stale_socket')] }, best: ['service.crashed', 'certain'], says: /exit status 78/ },
  { scene: 'failed, and another program has its port', file: { evidence: [state('failed'), listener('listening', { byService: false })] }, best: ['service.crashed', 'likely'] },
  {
    scene: 'failed, somebody listens, and whether those are leftover workers was not seen in time',
    file: { evidence: [state('failed'), listener('listening'), { ...evidence('probe', { probe: 'orphans' }), missing: 'orphans: not finished after 150 ms' }] },
    best: ['service.crashed', 'possible'],
  },
  {
    scene: 'failed, and nobody could look who listens',
    file: { evidence: [state('failed'), { ...listener('nobody'), kind: 'probe', missing: 'not finished after 150 ms' }] },
    best: ['service.crashed', 'likely'],
  },
  {
    scene: 'failed, its listener is on another machine and refuses',
    file: { evidence: [state('failed'), { ...listener('unseen'), missing: 'only listeners of this machine can be seen' }, connect('connection_refused')] },
    best: ['service.crashed', 'certain'],
  },
  { scene: 'failed, and no gateway leads to it', file: { target: serviceTarget({ upstreams: [] }), evidence: [state('failed')] }, best: ['service.crashed', 'certain'] },
  {
    scene: 'an external service refuses connections',
    file: { target: external, evidence: [state('unknown'), listener('nobody'), connect('connection_refused')] },
    best: ['service.crashed', 'likely'],
  },
  {
    scene: 'failed, but its workers hold the socket',
    file: { evidence: [state('failed'), listener('listening', { byService: true }), orphans] },
    best: ['service.orphaned_workers', 'certain'],
    says: /2 of its workers still hold 127\.0\.0\.1:9000.*kill -QUIT 11 12; then start it: systemctl start/,
  },
  { scene: 'a running service has no orphans', file: { evidence: [state('running'), orphans, workers(0, 5)] }, best: ['unknown', 'possible'], never: ['service.orphaned_workers'] },
  {
    scene: 'stopped on purpose',
    file: { evidence: [state('stopped'), listener('path_missing'), configTest(false)] },
    best: ['service.stopped_by_operator', 'certain'],
    never: ['service.crashed', 'config.invalid'],
  },
  { scene: 'starting', file: { evidence: [state('starting'), listener('nobody')] }, best: ['service.starting', 'certain'], never: ['service.crashed'] },
  { scene: 'systemd is about to restart it', file: { evidence: [state('failed', { supervisorActsInMs: 2100 }), listener('nobody')] }, best: ['service.starting', 'certain'], says: /within 2\.1 s/ },
  {
    scene: 'failed with a broken configuration',
    file: { evidence: [state('failed'), listener('nobody'), configTest(false)] },
    best: ['config.invalid', 'certain'],
    says: /ERROR: \[\/etc\/x\.conf:7\] unknown entry 'foo'.*php-fpm8\.2 -t/,
  },
  { scene: 'failed, the log tells of the configuration', file: { evidence: [state('failed'), listener('nobody'), log('config_error', 'ERROR: [/x:7] bad')] }, best: ['service.crashed', 'certain'] },
  {
    scene: 'failed, an old line tells of the configuration, its test passes',
    file: { evidence: [state('failed'), listener('nobody'), configTest(true), log('config_error', 'ERROR: [/x:7] bad')] },
    best: ['service.crashed', 'certain'],
    never: ['config.invalid'],
  },
  {
    scene: 'failed, the configuration test did not finish',
    file: { evidence: [state('failed'), listener('nobody'), { ...configTest(false), missing: 'not finished after 60000 ms' }] },
    best: ['service.crashed', 'certain'],
    never: ['config.invalid'],
  },
  {
    scene: 'runs well with a broken configuration on disk',
    file: { evidence: [state('running'), listener('listening'), configTest(false)] },
    best: ['unknown', 'possible'],
    never: ['config.invalid'],
  },
  {
    scene: 'every process in state T',
    file: { evidence: [state('running'), processes({ stopped: 6 }), workers(0, 0, 5)] },
    best: ['service.hung', 'certain'],
    says: /every process is in state T.*systemctl restart/,
  },
  { scene: 'every living process in state T, one zombie beside', file: { evidence: [state('running'), processes({ stopped: 5, zombie: 1 })] }, best: ['service.hung', 'certain'] },
  {
    scene: 'the leftovers of a dead service are stopped',
    file: { evidence: [state('failed'), listener('listening'), orphans, processes({ stopped: 6 })] },
    best: ['service.orphaned_workers', 'certain'],
    never: ['service.hung'],
  },
  { scene: 'frozen control group', file: { evidence: [state('running'), processes({ frozen: true })] }, best: ['service.hung', 'certain'] },
  { scene: 'the service type says frozen', file: { evidence: [state('frozen')] }, best: ['service.hung', 'certain'] },
  {
    scene: 'all workers stopped, the master runs',
    file: { evidence: [state('running'), processes({ stopped: 5 }), workers(0, 0, 5)] },
    best: ['service.hung', 'certain'],
    says: /every worker is in state T/,
  },
  {
    scene: 'no progress although workers are free, which only the proxy says',
    file: { symptom: { kind: 'no_progress' }, traffic: { inFlight: 4, noProgressMs: 16_000 }, evidence: [state('running'), processes(), workers(1, 4)] },
    best: ['service.hung', 'possible'],
    says: /none of 4 requests for 16 s/,
    never: ['capacity.workers_exhausted'],
  },
  {
    scene: 'no progress, connections pile up, nothing computes',
    file: { symptom: { kind: 'no_progress' }, traffic: { inFlight: 4, noProgressMs: 16_000 }, evidence: [state('running'), processes(), listener('listening', { queue: 9 })] },
    best: ['service.hung', 'likely'],
  },
  {
    scene: 'no progress, connections pile up, but it computes',
    file: { symptom: { kind: 'no_progress' }, traffic: { inFlight: 4, noProgressMs: 16_000 }, evidence: [state('running'), processes({ cpuShare: 1 }), listener('listening', { queue: 9 })] },
    best: ['service.hung', 'possible'],
  },
  {
    scene: 'own probe unanswered and connections pile up, without any visitor',
    file: { symptom: { seenBy: 'watch', kind: 'unanswered_probe' }, evidence: [state('running'), processes(), listener('listening', { queue: 2 }), answer('timeout')] },
    best: ['service.hung', 'likely'],
  },
  {
    scene: "standby: timeouts in nginx's log, connections pile up, idle workers, and no proxy sees the requests",
    file: { symptom: { seenBy: 'nginx_log', kind: 'http_response_timeout' }, evidence: [state('running'), processes(), workers(1, 4), listener('listening', { queue: 9 })] },
    best: ['service.hung', 'likely'],
  },
  {
    scene: "standby: timeouts in nginx's log, connections wait, and nobody can see whether the others are answered: a busy application waits for its database",
    file: { target: http, symptom: { seenBy: 'nginx_log', kind: 'http_response_timeout' }, evidence: [state('running'), processes(), listener('listening', { queue: 9 })] },
    best: ['service.hung', 'possible'],
  },
  {
    scene: "standby: timeouts in nginx's log, but every worker is busy",
    best: ['capacity.workers_exhausted', 'likely'],
    file: { symptom: { seenBy: 'nginx_log', kind: 'http_response_timeout' }, evidence: [state('running'), processes(), workers(5, 0), listener('listening', { queue: 9 })] },
    never: ['service.hung'],
  },
  {
    scene: "standby: timeouts in nginx's log, and nothing else is wrong: somebody's long export",
    best: ['unknown', 'possible'],
    file: { symptom: { seenBy: 'nginx_log', kind: 'http_response_timeout' }, evidence: [state('running'), processes(), workers(1, 4), listener('listening', { queue: 0 })] },
    never: ['service.hung'],
  },
  {
    scene: 'one long request, and a front page slower than the probe',
    file: {
      target: http,
      symptom: { kind: 'no_progress' },
      traffic: { inFlight: 1, noProgressMs: 20_000 },
      evidence: [state('running'), processes(), listener('listening', { queue: 0 }), answer('timeout')],
    },
    best: ['service.hung', 'possible'],
  },
  {
    scene: 'twenty slow requests and an unanswered probe, but nobody waits to be accepted',
    file: {
      target: http,
      symptom: { kind: 'no_progress' },
      traffic: { inFlight: 20, noProgressMs: 20_000 },
      evidence: [state('running'), processes(), listener('listening', { queue: 0 }), answer('timeout')],
    },
    best: ['service.hung', 'possible'],
  },
  {
    scene: 'an unanswered probe beside good traffic',
    file: { target: http, evidence: [state('running'), processes(), listener('listening', { queue: 0 }), answer('timeout')] },
    best: ['service.hung', 'possible'],
  },
  {
    scene: 'long silence and connections that nobody accepts, no probe made',
    file: { target: http, symptom: { kind: 'no_progress' }, traffic: { inFlight: 1, noProgressMs: 20_000 }, evidence: [state('running'), processes(), listener('listening', { queue: 4 })] },
    best: ['service.hung', 'likely'],
  },
  {
    scene: 'two requests beside idle workers and an empty queue',
    file: { symptom: { kind: 'no_progress' }, traffic: { inFlight: 2, noProgressMs: 20_000 }, evidence: [state('running'), processes(), workers(1, 4), listener('listening', { queue: 0 })] },
    best: ['service.hung', 'possible'],
  },
  {
    scene: 'it was silent, but something finished a moment ago',
    file: { symptom: { kind: 'no_progress' }, traffic: { inFlight: 9, noProgressMs: 300 }, evidence: [state('running'), processes(), workers(1, 4), listener('listening', { queue: 1 })] },
    best: ['unknown', 'possible'],
    never: ['service.hung'],
  },
  {
    scene: 'everybody left, but connections still wait to be accepted',
    file: { target: http, symptom: { kind: 'no_progress' }, evidence: [state('running'), processes(), listener('listening', { queue: 2 })] },
    best: ['service.hung', 'likely'],
  },
  { scene: 'time-outs alone are no hang', file: { evidence: [state('running'), processes(), listener('listening', { queue: 0 })] }, best: ['unknown', 'possible'], never: ['service.hung'] },
  {
    scene: 'requests have just come in, and a probe got no answer in time',
    file: {
      symptom: { kind: 'connection_timeout' },
      traffic: { inFlight: 5, noProgressMs: 11 },
      evidence: [state('running'), processes(), workers(1, 4), listener('listening', { queue: 0 }), answer('timeout')],
    },
    best: ['unknown', 'possible'],
    never: ['service.hung'],
  },
  {
    scene: 'one second of silence is no hang',
    file: { traffic: { inFlight: 4, noProgressMs: 1000 }, evidence: [state('running'), processes(), workers(1, 4)] },
    best: ['unknown', 'possible'],
    never: ['service.hung'],
  },
  {
    scene: 'all workers busy, nothing finished for long, queue full',
    file: {
      symptom: { kind: 'no_progress' },
      traffic: { inFlight: 5, held: 7, noProgressMs: 60_000 },
      evidence: [state('running'), processes(), workers(5, 0), pool(5), listener('listening', { queue: 3 })],
    },
    best: ['capacity.workers_exhausted', 'certain'],
    says: /All 5 workers of shop are busy \(at most 5\); 7 more wait\..*www\.conf:12.*Do not restart/,
    never: ['service.hung'],
  },
  {
    scene: 'the only worker is busy, and two requests wait for it among our own probes',
    file: { traffic: { inFlight: 3 }, evidence: [state('running'), workers(1, 0), pool(1), listener('listening', { queue: 5 })] },
    best: ['capacity.workers_exhausted', 'certain'],
    says: /^The only worker of shop is busy \(at most 1\); 2 more wait\./,
  },
  {
    scene: 'a connect is refused because the backlog is full',
    file: { evidence: [state('running'), listener('listening', { queue: 9, backlog: 8 }), evidence('connect', { address: at, result: 'destination_unavailable', errno: 'EAGAIN' })] },
    best: ['capacity.backlog_full', 'likely'],
    says: /backlog is full.*listen\.backlog.*Do not restart/,
    never: ['service.crashed'],
  },
  {
    scene: 'the backlog was full and has room again',
    file: { symptom: { kind: 'destination_unavailable', errno: 'EAGAIN' }, evidence: [state('running'), listener('listening', { queue: 0 }), connect('connected')] },
    best: ['capacity.backlog_full', 'possible'],
    says: /for a moment/,
  },
  {
    scene: 'all processes are stopped, and so the backlog is full',
    file: {
      evidence: [state('frozen'), listener('listening', { queue: 9, backlog: 8 }), evidence('connect', { address: at, result: 'destination_unavailable', errno: 'EAGAIN' }), processes({ stopped: 6 })],
    },
    best: ['service.hung', 'certain'],
  },
  { scene: 'all workers of now busy, more may come', file: { evidence: [state('running'), workers(2, 0), pool(10)] }, best: ['capacity.workers_exhausted', 'likely'] },
  {
    scene: 'all workers busy, limit unknown, the log tells',
    file: { evidence: [state('running'), workers(5, 0), log('max_children_reached', 'WARNING: [pool www] server reached pm.max_children setting (5), consider raising it', { limit: 5 })] },
    best: ['capacity.workers_exhausted', 'certain'],
  },
  {
    scene: 'the log told of it, but a worker is free now',
    file: { evidence: [state('running'), workers(4, 1), pool(5), log('max_children_reached', 'x', { limit: 5 })] },
    best: ['unknown', 'possible'],
    never: ['capacity.workers_exhausted'],
  },
  {
    scene: 'nothing but a line of some minutes ago tells of it',
    file: {
      target: http,
      symptom: { kind: 'http_response_timeout' },
      traffic: { completed: 40 },
      evidence: [state('running'), listener('listening', { queue: 0 }), log('max_children_reached', 'AH00161: server reached MaxRequestWorkers setting')],
    },
    best: ['capacity.workers_exhausted', 'possible'],
  },
  {
    scene: 'a line tells of it, and visitors are held back',
    file: { target: http, traffic: { held: 3 }, evidence: [state('running'), log('max_children_reached', 'AH00161: server reached MaxRequestWorkers setting')] },
    best: ['capacity.workers_exhausted', 'likely'],
  },
  {
    scene: 'the status page counts them where the kernel does not',
    file: { evidence: [state('running'), evidence('fpm_status', { active: 5, idle: 0, total: 5, queue: 2 }), pool(5)] },
    best: ['capacity.workers_exhausted', 'certain'],
  },
  {
    scene: 'as many requests inside as the gateway lets in, workers unseen',
    file: {
      symptom: { kind: 'no_progress' },
      traffic: { inFlight: 8, limit: 8, noProgressMs: 20_000 },
      evidence: [state('running'), processes(), listener('listening', { queue: 1 }), answer('timeout')],
    },
    best: ['capacity.workers_exhausted', 'likely'],
    never: ['service.hung'],
  },
  {
    scene: 'a dead service is not full',
    file: { traffic: { inFlight: 8, limit: 8 }, evidence: [state('failed'), listener('nobody')] },
    best: ['service.crashed', 'certain'],
    never: ['capacity.workers_exhausted'],
  },
  {
    scene: 'its own process listens at the other allowed place',
    file: { target: serviceTarget({ upstreams: [at, other] }), evidence: [state('running'), listener('nobody'), elsewhere({ byService: true })] },
    best: ['net.port_moved', 'certain'],
    says: /listens on 127\.0\.0\.1:9001 instead of 127\.0\.0\.1:9000/,
  },
  {
    scene: 'a stranger listens at the other allowed place',
    file: { target: serviceTarget({ upstreams: [at, other] }), evidence: [state('running'), listener('nobody'), elsewhere({ byService: false })] },
    best: ['unknown', 'possible'],
    never: ['net.port_moved'],
  },
  {
    scene: 'an external service answers at its other place',
    file: { target: external, evidence: [state('unknown'), listener('nobody'), connect('connection_refused'), elsewhere({ byService: false })] },
    best: ['net.port_moved', 'likely'],
  },
  {
    scene: 'it listens where the gateway may not look',
    file: { evidence: [state('running'), listener('nobody'), evidence('listen_elsewhere', { addresses: ['127.0.0.1:9100'] })] },
    best: ['net.port_moved', 'likely'],
    says: /also_allowed: \[127\.0\.0\.1:9100\]/,
  },
  {
    scene: 'it listens at both places',
    file: { target: serviceTarget({ upstreams: [at, other] }), evidence: [state('running'), listener('listening'), elsewhere({ byService: true })] },
    best: ['unknown', 'possible'],
    never: ['net.port_moved'],
  },
  {
    scene: 'it listens on a socket whose file was removed',
    file: { target: onSocket, evidence: [state('running'), processes(), workers(0, 5), socket('file_removed')] },
    best: ['config.socket_mismatch', 'certain'],
    says: /^shop listens on unix:\/run\/shop\.sock, but the socket file was removed; a restart makes it again\. Restart it: systemctl restart php8\.2-fpm\.service/,
    never: ['service.crashed', 'net.port_moved', 'service.hung'],
  },
  {
    scene: 'another, stale socket file stands in the place of its own',
    file: { target: onSocket, evidence: [state('running'), socket('listening'), connect('connection_refused')] },
    best: ['config.socket_mismatch', 'certain'],
    says: /another, on which nobody listens/,
  },
  {
    scene: 'a full backlog is no stale file',
    file: { target: onSocket, evidence: [state('running'), socket('listening'), connect('connection_timeout')] },
    best: ['unknown', 'possible'],
    never: ['config.socket_mismatch'],
  },
  {
    scene: "somebody's removed socket, and the service is external",
    file: {
      target: serviceTarget({ ...onSocket, config: serviceConfig({ type: 'external' }), upstreams: ['unix:/run/shop.sock'] }),
      evidence: [state('unknown'), socket('file_removed', { byService: false }), connect('destination_unavailable')],
    },
    best: ['config.socket_mismatch', 'likely'],
  },
  {
    scene: 'orphans of a dead service hold a removed socket',
    file: { target: onSocket, evidence: [state('failed'), socket('file_removed'), orphans] },
    best: ['service.orphaned_workers', 'certain'],
    never: ['config.socket_mismatch'],
  },
  {
    scene: 'junk for visitors and for the probe',
    file: { symptom: { kind: 'http_protocol_error', text: 'junk' }, evidence: [state('running'), listener('listening'), answer('junk')] },
    best: ['app.bad_response', 'certain'],
  },
  {
    scene: 'a header that is longer than the gateway takes, for visitors and for the probe',
    file: {
      target: http,
      symptom: { kind: 'http_response_header_size', text: '3 failed requests in 10 s, the last one: 127.0.0.1:9000 sent a header field longer than 64 KiB' },
      evidence: [state('running'), tooLong],
    },
    best: ['config.buffer_size', 'likely'],
    says: /shop sends answers with a header of more than 64 KiB, more than the gateway takes\..*A restart of shop does not help/,
  },
  {
    scene: 'a header that is longer than the gateway takes, for the probe only',
    file: { target: http, evidence: [state('running'), tooLong] },
    best: ['config.buffer_size', 'possible'],
    never: ['app.bad_response'],
  },
  {
    scene: 'HTTP where the gateway speaks FastCGI',
    file: { symptom: answered(describeStranger(Buffer.from('HTTP/1.1 400 Bad Request'))), evidence: [state('running'), listener('listening', { byService: true }), workers(1, 0)] },
    best: ['config.socket_mismatch', 'likely'],
    says: /shop speaks HTTP on 127\.0\.0\.1:9000, where the gateway speaks FastCGI\./,
  },
  {
    scene: 'an SSH server where the gateway speaks FastCGI',
    file: { symptom: answered(describeStranger(Buffer.from('SSH-2.0-OpenSSH_9.2'))), evidence: [state('running'), listener('listening')] },
    best: ['config.socket_mismatch', 'likely'],
    says: /An SSH server answers on/,
  },
  {
    scene: "the greeting of a mail server, of an application of one's own: junk",
    file: {
      target: http,
      symptom: answered(describeForeign(Buffer.from('220 mail.example ESMTP'))),
      evidence: [state('running'), listener('listening', { byService: true, program: 'node' }), answer('junk')],
    },
    best: ['app.bad_response', 'certain'],
    never: ['config.socket_mismatch'],
  },
  {
    scene: 'HTTP is spoken to Redis: no restart mends that',
    file: {
      target: http,
      symptom: answered(describeForeign(Buffer.from('-ERR wrong number of arguments'))),
      evidence: [state('running'), listener('listening', { byService: true, program: 'redis-server' }), answer('junk')],
    },
    best: ['config.socket_mismatch', 'likely'],
    says: /Redis answers on 127\.0\.0\.1:9000, where the gateway speaks HTTP/,
  },
  {
    scene: 'FastCGI where the gateway speaks HTTP, for visitors and for the probe: no restart mends that',
    file: {
      target: http,
      symptom: answered(describeForeign(Buffer.from([1, 3, 0, 1, 0, 8, 0, 0]))),
      evidence: [
        state('running'),
        listener('listening', { byService: true }),
        evidence('http_answer', { result: 'junk', failure: 'http_protocol_error' }, `GET /: it ${describeForeign(Buffer.from([1, 3, 0, 1, 0, 8, 0, 0]))}.`),
      ],
    },
    best: ['config.socket_mismatch', 'likely'],
    says: /shop speaks FastCGI on 127\.0\.0\.1:9000, where the gateway speaks HTTP\./,
  },
  {
    scene: 'php-fpm resets whatever comes as HTTP',
    file: { target: http, symptom: { kind: 'connection_terminated' }, evidence: [state('running'), listener('listening', { byService: true, program: 'php-fpm8.2' }), connect('connected'), cutOff] },
    best: ['config.socket_mismatch', 'likely'],
    says: /php-fpm listens on 127\.0\.0\.1:9000 and speaks FastCGI, where the gateway speaks HTTP: it resets every request\./,
  },
  {
    scene: 'every request is reset, of visitors and of the probe',
    file: { target: http, symptom: { kind: 'connection_terminated' }, evidence: [state('running'), listener('listening', { byService: true, program: 'app' }), connect('connected'), cutOff] },
    best: ['app.bad_response', 'likely'],
    says: /takes connections on .*, and ends each of them without an answer/,
  },
  {
    scene: 'the request of a visitor was cut off, and the probe is answered: a worker died of it',
    file: { target: http, symptom: { kind: 'connection_terminated' }, evidence: [state('running'), listener('listening', { program: 'app' }), connect('connected'), answer('status')] },
    best: ['unknown', 'possible'],
  },
  {
    scene: 'the probe was cut off by a service that died meanwhile',
    file: { target: http, symptom: { kind: 'connection_terminated' }, evidence: [state('failed'), listener('nobody'), cutOff] },
    best: ['service.crashed', 'certain'],
    never: ['app.bad_response'],
  },
  { scene: 'junk for the probe only', file: { evidence: [state('running'), answer('junk')] }, best: ['app.bad_response', 'likely'] },
  {
    scene: 'junk for visitors, the probe is answered',
    file: { symptom: { kind: 'http_protocol_error', text: 'junk' }, evidence: [state('running'), answer('status')] },
    best: ['app.bad_response', 'likely'],
  },
  {
    scene: 'junk from an external service that connects',
    file: { target: external, symptom: { kind: 'http_protocol_error' }, evidence: [state('unknown'), listener('listening'), connect('connected'), answer('junk')] },
    best: ['app.bad_response', 'certain'],
  },
  {
    scene: 'the silence is over: the probe is answered',
    file: { target: http, symptom: { kind: 'no_progress', text: 'nothing was answered for 2 s' }, traffic: { noProgressMs: 0 }, evidence: [state('running'), processes(), answer('status')] },
    best: ['unknown', 'possible'],
    says: /^shop answers again; what was seen before: nothing was answered for 2 s\. /,
  },
  {
    scene: 'the silence is over: visitors are answered',
    file: { symptom: { kind: 'no_progress' }, traffic: { noProgressMs: 100, inFlight: 2, completed: 7 }, evidence: [state('running'), processes(), workers(2, 3)] },
    best: ['unknown', 'possible'],
    says: /^shop answers again; /,
  },
  {
    scene: 'the silence is over: the workers are free',
    file: { symptom: { kind: 'no_progress' }, evidence: [state('running'), processes(), workers(0, 5)] },
    best: ['unknown', 'possible'],
    says: /^shop has free workers again; /,
  },
  {
    scene: 'a silence that nothing has ended',
    file: { symptom: { kind: 'no_progress' }, traffic: { noProgressMs: 9000, inFlight: 5 }, evidence: [state('running'), processes(), workers(5, 1)] },
    best: ['unknown', 'possible'],
    says: /^Why shop fails is not known: /,
  },
  {
    scene: 'failed, and systemd does not start it any more',
    file: { evidence: [state('failed', { exitCode: 1, ...unlimited }), listener('nobody')] },
    best: ['service.start_limit_hit', 'certain'],
    says: /ended again and again, so that systemd does not start it any more\..*systemctl reset-failed php8\.2-fpm\.service/,
  },
  {
    scene: 'its start limit is hit because memory runs out again and again',
    file: { evidence: [state('failed', { oomKilled: true, ...unlimited }), listener('nobody')] },
    best: ['service.start_limit_hit', 'certain'],
    says: /for want of memory/,
  },
  {
    scene: 'its start limit is hit because of its configuration',
    file: { evidence: [state('failed', unlimited), listener('nobody'), configTest(false)] },
    best: ['config.invalid', 'certain'],
  },
  {
    scene: 'it hit its start limit once, and runs',
    file: { evidence: [state('running', unlimited), workers(1, 4)] },
    best: ['unknown', 'possible'],
    never: ['service.start_limit_hit'],
  },
  {
    scene: 'the kernel ended it, says its supervisor',
    file: { evidence: [state('failed', { exitSignal: 'SIGKILL', oomKilled: true }), listener('nobody')] },
    best: ['oom.killed', 'certain'],
    says: /because memory ran out\..*systemctl start/,
  },
  { scene: "the kernel ended it, says the kernel's log", file: { evidence: [state('failed'), listener('nobody'), evidence('oom_kill', { pid: 7 })] }, best: ['oom.killed', 'certain'] },
  {
    scene: 'the kernel ended it, and systemd is about to restart it',
    file: { evidence: [state('failed', { oomKilled: true, supervisorActsInMs: 900 }), listener('nobody')] },
    best: ['service.starting', 'certain'],
  },
  {
    scene: 'a child was ended by the kernel, and the service runs',
    file: { evidence: [state('running', { oomKilled: true }), workers(1, 4)] },
    best: ['unknown', 'possible'],
    never: ['oom.killed'],
  },
  {
    scene: 'a container is paused',
    file: { evidence: [state('frozen', { changing: 'the container is paused' }), processes({ frozen: true })] },
    best: ['change.in_progress', 'certain'],
    says: /Somebody is changing shop: the container is paused\./,
    never: ['service.hung'],
  },
  {
    scene: 'stopped, and a job waits to start it',
    file: { evidence: [state('stopped', { changing: 'systemd has a job for it (job 7)' }), listener('nobody')] },
    best: ['change.in_progress', 'certain'],
  },
  {
    scene: 'a package operation left it stopped',
    file: { evidence: [state('stopped', { stoppedByPackage: true }), listener('nobody')] },
    best: ['service.crashed', 'certain'],
    says: /was stopped by the package manager and not started again/,
    never: ['service.stopped_by_operator'],
  },
  {
    scene: 'the disk is full, and the service says so',
    file: { evidence: [state('failed'), listener('nobody'), diskFull, log('no_space', 'write failed: No space left on device')] },
    best: ['disk.full', 'certain'],
    says: /The file system of \/var\/log, which shop needs, is full\./,
  },
  { scene: 'the disk is full, and nobody complains', file: { evidence: [state('running'), workers(1, 4), diskFull] }, best: ['disk.full', 'likely'] },
  {
    scene: 'it is down, and its file system takes nothing: whatever it died of, a start would lose more',
    file: { evidence: [state('failed', { exitSignal: 'SIGKILL' }), listener('nobody'), diskFull] },
    best: ['disk.full', 'certain'],
    says: /df -h \/var\/log.*A restart does not help/,
  },
  {
    scene: 'it is down, and its file system has no inode left',
    file: { evidence: [state('failed'), listener('nobody'), disk({ freeBytes: 9e8, inodes: true })] },
    best: ['disk.full', 'certain'],
    says: /every inode is used.*du --inodes/,
  },
  {
    scene: 'a package operation left it down, and its file system takes nothing',
    file: { evidence: [state('stopped', { stoppedByPackage: true }), listener('nobody'), diskFull] },
    best: ['disk.full', 'certain'],
  },
  { scene: 'it is down, and its file system has little left', file: { evidence: [state('failed'), listener('nobody'), disk({ freeBytes: 9e6, spent: false })] }, best: ['service.crashed', 'certain'] },
  {
    scene: 'it is down, and /tmp is full',
    file: { evidence: [state('failed'), listener('nobody'), disk({ path: '/tmp', use: 'maybe' })] },
    best: ['service.crashed', 'certain'],
    never: ['disk.full'],
  },
  { scene: 'it is down, and its file system is read-only', file: { evidence: [state('failed'), listener('nobody'), readOnly()] }, best: ['disk.full', 'certain'], says: /read-only.*findmnt -T/ },
  { scene: 'it is down, and /dev/shm is read-only', file: { evidence: [state('failed'), listener('nobody'), readOnly('maybe')] }, best: ['service.crashed', 'certain'] },
  {
    scene: 'its configuration test cannot write on a read-only file system',
    file: { evidence: [state('failed'), listener('nobody'), readOnly(), sealed] },
    best: ['disk.full', 'certain'],
    says: /it is read-only\..*findmnt -T \/var\/log/,
    never: ['config.invalid'],
  },
  {
    scene: 'its configuration test cannot write, and nobody sees why',
    file: { evidence: [state('failed'), listener('nobody'), sealed] },
    best: ['config.invalid', 'certain'],
    says: /Read-only file system/,
  },
  {
    scene: 'the configuration is broken and the disk is full',
    file: { evidence: [state('failed'), listener('nobody'), configTest(false), diskFull] },
    best: ['config.invalid', 'certain'],
  },
  {
    scene: 'the service found no space, and there is some again',
    file: { evidence: [state('running'), workers(1, 4), log('no_space', 'No space left on device')] },
    best: ['disk.full', 'possible'],
    says: /there is some again/,
  },
  {
    scene: 'a page of the database is damaged',
    file: { target: mariadb, evidence: [state('failed'), listener('nobody'), log('data_corrupt', '[ERROR] InnoDB: Failed to read page 3')] },
    best: ['data.corrupt', 'certain'],
    says: /its data files are damaged/,
  },
  {
    scene: "a visitor's user agent, in the log of a web application, says that a database is damaged",
    file: { target: http, evidence: [state('running'), log('data_corrupt', 'agent: [ERROR] InnoDB: Database page corruption on disk or a failed'), log('table_crashed', '[ERROR] …')] },
    best: ['unknown', 'possible'],
    never: ['data.corrupt'],
  },
  {
    scene: 'it says that a database recovers, and the application is gone',
    file: { target: http, evidence: [state('running'), listener('nobody'), log('database_start', 'agent: InnoDB: Starting crash recovery')] },
    best: ['unknown', 'possible'],
    never: ['service.starting'],
  },
  {
    scene: 'a table is marked as crashed, the server runs',
    file: { target: mariadb, evidence: [state('running'), log('table_crashed', '[ERROR] …', { table: './shop/cart' })] },
    best: ['data.corrupt', 'certain'],
    says: /the table \.\/shop\/cart is damaged.*REPAIR TABLE/,
  },
  {
    scene: 'a table was marked as crashed, and then the server was killed: a start mends many of them',
    file: { target: mariadb, evidence: [state('failed'), listener('nobody'), log('table_crashed', '[ERROR] …', { table: './shop/cart' })] },
    best: ['service.crashed', 'certain'],
    never: ['data.corrupt'],
  },
  {
    scene: 'a database recovers from its crash and takes no connections yet',
    file: {
      target: mariadb,
      evidence: [state('running'), listener('path_missing'), connect('destination_unavailable'), log('database_start', 'InnoDB: Starting crash recovery from checkpoint LSN=44744')],
    },
    best: ['service.starting', 'certain'],
    says: /shop is recovering from a crash\. Wait/,
    never: ['service.crashed', 'service.hung'],
  },
  {
    scene: 'a database has recovered from its crash',
    file: { target: mariadb, evidence: [state('running'), listener('listening'), log('database_start', 'mariadbd: ready for connections.')] },
    best: ['unknown', 'possible'],
    never: ['service.starting'],
  },
  {
    scene: 'php waits for its database: some workers are free, connections pile up, nothing finishes',
    file: {
      symptom: { kind: 'no_progress' },
      traffic: { inFlight: 9, noProgressMs: 60_000 },
      evidence: [state('running'), processes(), workers(4, 1), listener('listening', { queue: 4 }), connect('connected'), database()],
    },
    best: ['dependency.database', 'certain'],
    says: /shop runs, but mariadb, which it needs, is in trouble\..*Do not restart shop/,
  },
  {
    scene: 'php waits for its database with every worker: busy is not hung',
    file: {
      symptom: { kind: 'no_progress' },
      traffic: { inFlight: 5, held: 9, noProgressMs: 60_000 },
      evidence: [state('running'), processes(), workers(5, 0), pool(5), listener('listening', { queue: 3 }), database()],
    },
    best: ['dependency.database', 'certain'],
    never: ['service.hung'],
  },
  {
    scene: 'php waits for a slow database that has no incident: busy, and not hung',
    file: {
      symptom: { kind: 'no_progress' },
      traffic: { inFlight: 5, held: 9, noProgressMs: 60_000 },
      evidence: [state('running'), processes(), workers(5, 0), pool(5), listener('listening', { queue: 3 })],
    },
    best: ['capacity.workers_exhausted', 'certain'],
    never: ['service.hung', 'dependency.database'],
  },
  {
    scene: 'its cache has just refused a connection',
    file: { evidence: [state('running'), workers(1, 4), evidence('dependency', { name: 'redis', kind: 'cache', incident: false })] },
    best: ['dependency.cache', 'likely'],
  },
  {
    scene: 'another service that it needs is in trouble',
    file: { evidence: [state('running'), evidence('dependency', { name: 'search', kind: 'other', incident: true })] },
    best: ['dependency.other', 'certain'],
  },
  {
    scene: 'it is down itself, whatever its database does',
    file: { evidence: [state('failed'), listener('nobody'), database()] },
    best: ['service.crashed', 'certain'],
    never: ['dependency.database'],
  },
  {
    scene: 'it refuses connections itself, whatever its database does',
    file: { evidence: [state('running'), listener('nobody'), connect('connection_refused'), database()] },
    best: ['unknown', 'possible'],
    never: ['dependency.database'],
  },
  {
    scene: 'its own processes are stopped, whatever its database does',
    file: { evidence: [state('running'), processes({ stopped: 6 }), database()] },
    best: ['service.hung', 'certain'],
    never: ['dependency.database'],
  },
  { scene: 'nothing could be seen', file: { evidence: [{ ...state('running'), missing: 'not finished after 150 ms' }] }, best: ['unknown', 'possible'], says: /3 requests were not answered in time/ },
];

for (const { scene, file, best, says, never } of rows) {
  t.test(scene, (t) => {
    const diagnosis = diagnose(caseFile(file), causes);
    t.same([diagnosis.best.cause, diagnosis.best.confidence], best, diagnosis.best.sentence);
    if (says) t.match(`${diagnosis.best.sentence} ${diagnosis.best.remedy}`, says);
    const suspected = [diagnosis.best, ...diagnosis.others].map((suspect) => suspect.cause);
    t.same(
      suspected.filter((cause) => never?.includes(cause)),
      [],
    );
    t.equal(suspected.at(-1), 'unknown', 'unknown is the last resort');
    t.match(diagnosis.best.sentence, /[.!?]$/, 'a whole sentence');
    t.ok(diagnosis.best.because.length > 0, 'says why');
    t.notMatch(JSON.stringify(diagnosis), /undefined|NaN/);
    t.end();
  });
}

t.test('the found address is handed to the action, only where it is allowed', (t) => {
  const moved = (file: Scene) => diagnose(caseFile(file), causes).best;
  const allowed = moved({ target: serviceTarget({ upstreams: [at, other] }), evidence: [state('running'), listener('nobody'), elsewhere({ byService: true })] });
  t.same(allowed.facts, { found: other });
  const forbidden = moved({ evidence: [state('running'), listener('nobody'), evidence('listen_elsewhere', { addresses: ['127.0.0.1:9100'] })] });
  t.equal(forbidden.facts, undefined);
  t.end();
});

t.test('the order of the causes does not matter', (t) => {
  const file = caseFile({ evidence: [state('failed'), listener('nobody'), configTest(false), orphans] });
  const ranked = (list: typeof causes) => {
    const { best, others } = diagnose(file, list);
    return [best, ...others].map((suspect) => suspect.cause);
  };
  t.same(ranked(causes), ['config.invalid', 'service.orphaned_workers', 'service.crashed', 'unknown']);
  t.same(ranked(causes.toReversed()), ranked(causes));
  t.end();
});

t.test('the command of the remedy is the one of the service type', (t) => {
  const remedy = (service: Record<string, unknown>) =>
    diagnose(caseFile({ target: serviceTarget({ config: serviceConfig(service) }), evidence: [state('failed'), listener('nobody')] }), causes).best.remedy;
  t.equal(remedy({ type: 'init', script: '/etc/init.d/shop', pidfile: '/run/shop.pid' }), 'Start it: /etc/init.d/shop start');
  t.equal(remedy({ type: 'process', start: ['/usr/bin/shop', '--title', "it's on"] }), String.raw`Start it: /usr/bin/shop --title 'it'\''s on'`);
  t.equal(remedy({ type: 'docker', container: 'shop-web-1' }), 'Start it: docker start shop-web-1');
  t.equal(remedy({ type: 'external' }), 'Start shop, so that it listens on 127.0.0.1:9000 again.');
  t.end();
});
