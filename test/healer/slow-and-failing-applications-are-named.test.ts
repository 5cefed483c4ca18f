import t from 'tap';
import { gatewaySchema } from '../../src/config/host-schema.ts';
import { policySchema } from '../../src/config/policy-schema.ts';
import type { Suspect } from '../../src/core/diagnosis.ts';
import * as registered from '../../src/healer/causes/registry.ts';
import { Detector } from '../../src/healer/detect.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import { parseApacheStatus } from '../../src/healer/probes/apache-status.ts';
import { parseSlowLog, waitOfCall } from '../../src/healer/probes/read-slow-log.ts';
import { readFault } from '../../src/healer/probes/worker-faults.ts';
import { targetOf } from '../../src/healer/ward-target.ts';
import { caseFile, evidence, serviceTarget, type Scene } from '../fixtures/healer/case-file.ts';

const causes = Object.values(registered);
const running = evidence('service_state', { state: 'running' });
const workers = (busy: number, idle: number) => evidence('workers', { total: busy + idle, busy, idle, stopped: 0 });
const pool = (maxChildren: number) => evidence('fpm_pool', { pool: 'www', file: '/etc/php/8.2/fpm/pool.d/www.conf', line: 12, maxChildren });
const waits = (on: string, count: number, busy: number, more = {}) => evidence('worker_waits', { on, thing: '', count, busy, ...more });
const database = (count: number, busy: number) => waits('address', count, busy, { thing: '127.0.0.1:3306', kind: 'database', name: 'mariadbd', known: false });
const threads = (count: number) => evidence('worker_waits', { on: 'address', thing: '10.0.0.5:443', kind: 'other', known: false, count });
const lock = (count: number, busy: number, holderIsWorker = true) => waits('lock', count, busy, { thing: 'a session file in /var/lib/php/sessions', holder: 4711, holderIsWorker });
const page = (count: number, busy: number, medianMs: number) => evidence('busy_page', { page: '/export.php', count, busy, medianMs, longestMs: medianMs + 500 });
const trace = (count: number) => evidence('slow_trace', { script: '/srv/api.php', call: 'curl_exec', at: '/srv/api.php:12', waits: 'remote', count });
const log = (signature: string, text: string, more = {}) => evidence('log', { signature, count: 1, ...more }, text);
const answer = (status: number) => evidence('http_answer', { result: 'status', status });
const queue = (length: number) => evidence('listener', { address: '127.0.0.1:9000', current: true, state: 'listening', queue: length });
const memory = log('php_memory_limit', 'PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes) in /srv/list.php on line 7', {
  bytes: 134_217_728,
  file: '/srv/list.php',
  line: 7,
});
const fatal = (reason: string, more = {}) => log('php_fatal', `PHP Fatal error:  ${reason} in /srv/x.php:3`, { message: ` ${reason}`, file: '/srv/x.php', line: 3, ...more });
const timedOut = log('script_terminated', '[pool www] child 9, script \'/srv/export.php\' (request: "GET /export.php") execution timed out (30.2 sec), terminating', {
  pool: 'www',
  script: '/srv/export.php',
});
const timeouts = evidence('fpm_timeouts', { pool: 'www', terminateMs: 30_000 });
const errors = { kind: 'status_5xx', text: '18 of 20 answers in 30 s were errors of the application itself (status 5xx)' } as const;
const cut = { kind: 'connection_terminated' } as const;
const silence = { kind: 'no_progress' } as const;
const tooLate = (count: number) => ({ kind: 'http_response_timeout', count, text: `${count} failed requests in 10 s, the last one: it did not answer within 1000 ms` }) as const;
const http = serviceTarget({ protocol: 'http' });
const impatient = serviceTarget({ responseTimeoutMs: 1000 });
const down = evidence('dependency', { name: 'mariadb', kind: 'database', incident: true });

const full = [running, workers(5, 0), pool(5), waits('sleep', 5, 5)];
const asked = (more = {}) => ({ inFlight: 5, held: 9, pattern: { requests: 200, withinMs: 30_000, crawlers: 0, logins: 0, ...more } });

interface Row {
  readonly scene: string;
  readonly file: Scene;
  readonly best: readonly [Suspect['cause'], Suspect['confidence']];
  /** What the subject, the sentence, the remedy or the warnings must say. */
  readonly says?: RegExp;
  /** Not even suspected; with a confidence: not so sure. */
  readonly never?: readonly (Suspect['cause'] | `${Suspect['cause']} ${Suspect['confidence']}`)[];
}

const rows: readonly Row[] = [
  {
    scene: 'the one worker that there may be waits for an address, and nothing is finished',
    file: { target: http, symptom: silence, traffic: { inFlight: 3, noProgressMs: 20_000 }, evidence: [running, evidence('processes', { total: 2, stopped: 0, cpuShare: 0 }), queue(2), threads(1)] },
    best: ['service.hung', 'possible'],
    never: ['service.hung likely'],
  },
  {
    scene: 'every worker of a full pool waits for the database, which no policy names',
    file: { symptom: silence, traffic: { inFlight: 8, noProgressMs: 20_000 }, evidence: [running, workers(8, 0), pool(8), database(8, 8)] },
    best: ['dependency.database', 'likely'],
    says: /^127\.0\.0\.1:3306 shop runs, but waits for mariadbd at 127\.0\.0\.1:3306.*PROCESSLIST.*Do not restart shop.*More workers/,
    never: ['service.hung'],
  },
  {
    scene: 'the same, and seven of eight are there: one is on its way',
    file: { symptom: silence, evidence: [running, workers(8, 0), pool(8), database(7, 8), waits('computing', 1, 8)] },
    best: ['dependency.database', 'likely'],
  },
  {
    scene: 'half of them wait for the database, and half compute: the pool is simply full',
    file: { symptom: silence, evidence: [running, workers(8, 0), pool(8), database(4, 8), waits('computing', 4, 8)] },
    best: ['capacity.workers_exhausted', 'certain'],
    never: ['dependency.database', 'app.slow'],
  },
  {
    scene: 'the database has an incident of its own, and every worker waits for it',
    file: { symptom: silence, evidence: [running, workers(8, 0), pool(8), database(8, 8), down] },
    best: ['dependency.database', 'certain'],
  },
  {
    scene: 'a healthy service has a query at work while something else is wrong',
    file: { symptom: cut, evidence: [running, workers(2, 6), pool(8), database(2, 2)] },
    best: ['unknown', 'possible'],
    never: ['dependency.database', 'app.slow'],
  },
  {
    scene: 'answers come too late, and whoever works waits for one address, while others are idle',
    file: { symptom: { kind: 'http_response_timeout' }, evidence: [running, workers(3, 5), pool(8), waits('address', 3, 3, { thing: '10.0.0.5:443', kind: 'other', known: false })] },
    best: ['dependency.other', 'likely'],
    says: /^10\.0\.0\.5:443 /,
  },
  {
    scene: 'one late answer, and its worker waits for an address',
    file: { symptom: { kind: 'http_response_timeout' }, evidence: [running, workers(1, 7), pool(8), waits('address', 1, 1, { thing: '10.0.0.5:443', kind: 'other', known: false })] },
    best: ['dependency.other', 'possible'],
  },
  {
    scene: 'they all wait for a name server: that is no dependency of theirs, and no want of workers for certain',
    file: { symptom: silence, evidence: [running, workers(4, 0), pool(4), waits('address', 4, 4, { thing: '10.0.0.2:53', kind: 'dns', known: false })] },
    best: ['capacity.workers_exhausted', 'likely'],
    never: ['dependency.other', 'app.slow'],
  },
  {
    scene: 'four wait for the session that the fifth holds',
    file: { symptom: silence, evidence: [running, workers(5, 0), pool(5), lock(4, 5), waits('sleep', 1, 5)] },
    best: ['app.slow', 'likely'],
    says: /^a session file in \/var\/lib\/php\/sessions .*which process 4711 holds.*\/proc\/4711\/fd.*session_write_close.*Do not restart/,
    never: ['service.hung'],
  },
  {
    scene: 'all wait for a lock that somebody else holds',
    file: { symptom: silence, evidence: [running, workers(5, 0), pool(5), lock(5, 5, false)] },
    best: ['app.slow', 'likely'],
  },
  {
    scene: 'all wait for a program that they started',
    file: { symptom: silence, evidence: [running, workers(3, 0), pool(3), waits('program', 3, 3, { thing: 'convert' })] },
    best: ['app.slow', 'likely'],
    says: /^convert .*ps -C convert/,
  },
  {
    scene: 'a program with a strange name does not become a part of a command',
    file: { symptom: silence, evidence: [running, workers(3, 0), pool(3), waits('program', 3, 3, { thing: 'x; reboot' })] },
    best: ['app.slow', 'likely'],
    says: /ps -C NAME/,
  },
  {
    scene: 'slow pages that merely sleep: every worker is busy, and that is all',
    file: { symptom: silence, evidence: [running, workers(2, 0), pool(2), waits('sleep', 2, 2)] },
    best: ['capacity.workers_exhausted', 'certain'],
    never: ['app.slow', 'dependency.other'],
  },
  {
    scene: 'every worker is in one page for long: full, and the page is named beside it',
    file: { symptom: silence, evidence: [running, workers(5, 0), pool(5), waits('computing', 5, 5), page(5, 5, 9000)] },
    best: ['capacity.workers_exhausted', 'certain'],
  },
  {
    scene: 'nearly all busy workers are in one page for long, and others are free',
    file: { symptom: { kind: 'http_response_timeout' }, evidence: [running, workers(5, 3), pool(8), page(5, 5, 9000)] },
    best: ['app.slow', 'likely'],
    says: /^\/export\.php 5 of 5 busy workers of shop are in one page, \/export\.php, for up to 10 s\./,
  },
  {
    scene: 'the front page of a busy shop: everybody is in it, and briefly',
    file: { symptom: { kind: 'http_response_timeout' }, evidence: [running, workers(5, 3), pool(8), page(5, 5, 150)] },
    best: ['unknown', 'possible'],
    never: ['app.slow'],
  },
  { scene: 'the slow log names one call twice', file: { evidence: [running, workers(2, 3), pool(5), trace(2)] }, best: ['app.slow', 'possible'], says: /curl_exec\..*\/srv\/api\.php:12.*time-out/ },
  { scene: 'the slow log has one old entry', file: { evidence: [running, workers(2, 3), pool(5), trace(1)] }, best: ['unknown', 'possible'] },
  {
    scene: 'an HTTP application whose threads all wait for one address, as many as are inside, and a queue before it',
    file: { target: http, symptom: silence, traffic: { inFlight: 4, noProgressMs: 20_000 }, evidence: [running, threads(4), queue(3), evidence('http_answer', { result: 'timeout' })] },
    best: ['dependency.other', 'likely'],
  },
  {
    scene: 'the same, and whoever waited in the queue has given up',
    file: { target: http, symptom: silence, traffic: { inFlight: 0 }, evidence: [running, threads(30), queue(404)] },
    best: ['dependency.other', 'likely'],
    never: ['service.hung likely'],
  },
  {
    scene: 'a full queue before an Apache that says that its workers are all taken',
    file: { target: http, symptom: silence, evidence: [running, queue(404), log('max_children_reached', 'AH00484: server reached MaxRequestWorkers setting')] },
    best: ['capacity.workers_exhausted', 'likely'],
    never: ['service.hung likely'],
  },
  {
    scene: 'a full queue before a service that answers now and then',
    file: { target: http, symptom: { kind: 'unanswered_probe' }, traffic: { inFlight: 40, completed: 9 }, evidence: [running, queue(404), evidence('http_answer', { result: 'timeout' })] },
    best: ['service.hung', 'possible'],
  },
  {
    scene: 'an HTTP application with a thread that listens to its message queue for ever, or waits for what all wait for',
    file: { target: http, symptom: silence, traffic: { inFlight: 4, noProgressMs: 20_000 }, evidence: [running, threads(1), queue(3)] },
    best: ['service.hung', 'possible'],
    never: ['dependency.other'],
  },
  {
    scene: 'most answers are errors, and nothing else is known',
    file: { symptom: errors, evidence: [running, workers(1, 4)] },
    best: ['app.error', 'possible'],
    says: /^shop shop runs, but the application itself answers with errors: 18 of 20.*A restart of shop/,
  },
  { scene: 'most answers are errors, and so is the answer to the healer itself', file: { target: http, symptom: errors, evidence: [running, answer(500)] }, best: ['app.error', 'likely'] },
  { scene: 'most answers are errors because its database died', file: { symptom: errors, evidence: [running, workers(1, 4), down] }, best: ['dependency.database', 'certain'] },
  {
    scene: 'most answers are errors, and scripts hit their memory limit',
    file: { symptom: errors, evidence: [running, pool(5), workers(1, 4), memory] },
    best: ['app.error', 'certain'],
    says: /^\/srv\/list\.php .*128 MiB\): \/srv\/list\.php on line 7/,
  },
  {
    scene: 'most answers are errors, and the log says why: a fatal error',
    file: { symptom: errors, evidence: [running, fatal('Uncaught Error: Call to undefined function x()')] },
    best: ['app.error', 'likely'],
    says: /fatal error in \/srv\/x\.php on line 3: Uncaught Error/,
  },
  {
    scene: 'most answers are errors, and the fatal error is that something outside does not answer',
    file: { symptom: errors, evidence: [running, fatal('Uncaught mysqli_sql_exception: Connection refused')] },
    best: ['dependency.database', 'possible'],
  },
  {
    scene: "another pool's script hit its memory limit",
    file: { symptom: errors, evidence: [running, pool(5), { ...memory, text: `[pool other] child 3 said: "${memory.text}"` }] },
    best: ['app.error', 'possible'],
  },
  { scene: 'one fatal error in the log of a service with another trouble', file: { symptom: cut, evidence: [running, fatal('x')] }, best: ['unknown', 'possible'], never: ['app.error'] },
  { scene: 'its own front page is an error, and the log tells why', file: { target: http, symptom: cut, evidence: [running, answer(500), fatal('x')] }, best: ['app.error', 'likely'] },
  {
    scene: 'a dead service has no errors of its application',
    file: { symptom: errors, evidence: [evidence('service_state', { state: 'failed' }), memory] },
    best: ['service.crashed', 'likely'],
    never: ['app.error'],
  },
  {
    scene: 'php-fpm ended requests by its own time limit, and they were cut off',
    file: { symptom: cut, evidence: [running, workers(1, 4), pool(5), timeouts, timedOut] },
    best: ['config.timeout', 'certain'],
    says: /^request_terminate_timeout = 30s .*\/srv\/export\.php.*www\.conf/,
  },
  {
    scene: 'php-fpm ended requests by its own time limit, and the others wait for the database',
    file: { symptom: { kind: 'http_response_timeout' }, evidence: [running, workers(4, 1), pool(5), timeouts, timedOut, database(4, 4)] },
    best: ['dependency.database', 'likely'],
  },
  { scene: 'a time limit of another pool', file: { symptom: cut, evidence: [running, pool(5), log('script_terminated', 'x', { pool: 'other', script: '/y.php' })] }, best: ['unknown', 'possible'] },
  {
    scene: 'the gateway gave up more requests than there are busy workers, and others are idle',
    file: { target: impatient, symptom: tooLate(24), evidence: [running, workers(6, 10), pool(16), waits('sleep', 6, 6)] },
    best: ['config.timeout', 'possible'],
    says: /^timeouts\.response = 1s The gateway before shop gives a request up after 1s.*24 requests .* 6 of 16 workers are busy.*goodgateway\.yaml/,
    never: ['app.slow', 'service.hung'],
  },
  {
    scene: 'the same, and php-fpm shows for how long its pages are at work',
    file: { target: impatient, symptom: tooLate(24), evidence: [running, workers(6, 10), pool(16), page(1, 6, 1800)] },
    best: ['config.timeout', 'likely'],
  },
  {
    scene: 'the same, and a page is at work for a time that no patience is enough for',
    file: { target: impatient, symptom: tooLate(24), evidence: [running, workers(6, 10), pool(16), page(1, 6, 40_000)] },
    best: ['config.timeout', 'possible'],
  },
  {
    scene: 'no more requests were given up than workers are busy, which sleep: nobody knows whether they finish',
    file: { target: impatient, symptom: tooLate(3), evidence: [running, workers(6, 10), pool(16), waits('sleep', 6, 6)] },
    best: ['app.slow', 'possible'],
    says: /6 of 6 busy workers of shop sleep in their pages/,
    never: ['config.timeout'],
  },
  {
    scene: 'a gateway that waits as long as nginx does is not impatient',
    file: { target: serviceTarget({ responseTimeoutMs: 60_000 }), symptom: tooLate(24), evidence: [running, workers(6, 10), pool(16)] },
    best: ['unknown', 'possible'],
    never: ['config.timeout'],
  },
  {
    scene: 'an impatient gateway, while those who work wait for the database',
    file: { target: impatient, symptom: tooLate(24), evidence: [running, workers(6, 10), pool(16), database(6, 6)] },
    best: ['dependency.database', 'likely'],
    never: ['config.timeout'],
  },
  {
    scene: "gunicorn's arbiter ended a silent worker",
    file: { target: http, symptom: cut, evidence: [running, log('worker_timeout', '[CRITICAL] WORKER TIMEOUT (pid:9)')] },
    best: ['config.timeout', 'possible'],
  },
  {
    scene: 'nginx refused an answer for its headers',
    file: { symptom: { seenBy: 'nginx_log', kind: 'http_response_header_section_size' }, evidence: [running] },
    best: ['config.buffer_size', 'likely'],
    says: /^fastcgi_buffer_size .*nginx -t && systemctl reload nginx/,
  },
  {
    scene: 'our own gateway refused 70 KiB of headers',
    file: { target: http, symptom: { kind: 'http_response_header_section_size' }, evidence: [running] },
    best: ['config.buffer_size', 'likely'],
  },
  {
    scene: 'uWSGI skipped a request that was longer than its buffer',
    file: { target: http, symptom: cut, evidence: [running, log('uwsgi_header_too_big', 'invalid request block size: 4161 (max 4096)...skip', { size: 4161, limit: 4096 })] },
    best: ['config.buffer_size', 'certain'],
    says: /buffer-size = 16384/,
  },
  {
    scene: 'passwords are tried from one address',
    file: { traffic: asked({ logins: 150, address: { name: '203.0.113.7', count: 140 } }), evidence: full },
    best: ['capacity.workers_exhausted', 'certain'],
    says: /150 of the 200 requests in the last 30 s try to sign in, or ask xmlrpc, most from 203\.0\.113\.7: passwords are being tried\..*limit_req/,
  },
  { scene: 'crawlers', file: { traffic: asked({ crawlers: 120 }), evidence: full }, best: ['capacity.workers_exhausted', 'certain'], says: /120 of the 200 .* are crawlers'\..*robots\.txt/ },
  {
    scene: 'one address asks for most, and it is no address of ours',
    file: { traffic: asked({ address: { name: '2001:db8::1', count: 190 } }), evidence: full },
    best: ['capacity.workers_exhausted', 'certain'],
    says: /190 of the 200 .*, or more, come from one address, 2001:db8::1\./,
  },
  {
    scene: 'everybody comes through a proxy of this host, for one page',
    file: { traffic: asked({ address: { name: '127.0.0.1', count: 200 }, path: { name: '/sale', count: 180 } }), evidence: full },
    best: ['capacity.workers_exhausted', 'certain'],
    says: /^(?!.*one address).*180 of the 200 .*, or more, ask for \/sale\./,
  },
  {
    scene: 'workers crash, and the kernel names the extension, whose package was upgraded lately',
    file: {
      evidence: [
        running,
        evidence('worker_deaths', { deaths: 3, how: ['by SIGSEGV'] }),
        evidence('kernel_fault', { program: 'php-fpm8.2', object: 'opcache.so', count: 3, package: 'php8.2-opcache', lately: true }),
      ],
    },
    best: ['app.segfault', 'certain'],
    says: /The fault is in opcache\.so of the package php8\.2-opcache: go back .*apt list -a php8\.2-opcache/,
  },
  {
    scene: "Apache's status page shows no free worker, and none that may be started",
    file: { target: http, symptom: silence, evidence: [running, evidence('apache_status', { active: 150, idle: 0, total: 150, most: 150 })] },
    best: ['capacity.workers_exhausted', 'certain'],
  },
  {
    scene: "Apache's status page shows that more workers may be started",
    file: { target: http, symptom: silence, evidence: [running, evidence('apache_status', { active: 50, idle: 0, total: 50, most: 150 })] },
    best: ['capacity.workers_exhausted', 'likely'],
  },
];

for (const { scene, file, best, says, never = [] } of rows) {
  t.test(scene, async (t) => {
    const diagnosis = diagnose(caseFile(file), causes);
    const { cause, confidence, subject, sentence, because, remedy, avoid = [] } = diagnosis.best;
    t.same([cause, confidence], best);
    if (says) t.match([subject, sentence, ...because, remedy, ...avoid].join(' '), says);
    const all = [diagnosis.best, ...diagnosis.others];
    t.same(
      all.flatMap(({ cause, confidence }) => [cause, `${cause} ${confidence}` as const]).filter((one) => never.includes(one)),
      [],
    );
    for (const one of all) {
      t.ok(/[.:]/.test(one.sentence) && one.because.every((text) => text !== ''));
      t.notOk(
        one.because.some((text) => one.against.includes(text)),
        'nothing speaks both for and against',
      );
    }
  });
}

t.test('of several gateways the most patient counts', async (t) => {
  const policy = policySchema.parse({ version: 1, name: 'shop', mode: 'act', service: { type: 'external' } });
  const gateway = (response: string) => gatewaySchema.parse({ listen: '127.0.0.1:8080', protocol: 'http', upstream: '127.0.0.1:9000', service: 'shop', timeouts: { response } });
  const options = { policy, gateways: { a: gateway('1s'), b: gateway('3s') }, stateFolder: '/nonexistent' };
  t.equal(targetOf(options, 0).responseTimeoutMs, 3000);
  t.equal(targetOf({ ...options, gateways: {} }, 0).responseTimeoutMs, undefined);
});

t.test("the application's own errors are counted by their share, and only while there are new ones", async (t) => {
  const detector = new Detector([]);
  const second = (atS: number, completed: number, status5xx: number) => detector.answered({ gateway: 'shop', completed, status5xx, atMs: atS * 1000 });
  t.equal(second(1, 4, 4), undefined, 'four errors are too few');
  t.equal(second(2, 40, 5), undefined, 'nine of 44 are few');
  t.equal(second(3, 20, 20), undefined, '29 of 64 are less than half');
  t.match(second(4, 10, 10), { kind: 'status_5xx', count: 39, gateway: 'shop', text: '39 of 74 answers in 30 s were errors of the application itself (status 5xx)' });
  t.equal(second(5, 1, 0), undefined, 'no new one');
  t.equal(second(60, 9, 9), undefined, 'what is older than the time does not count');
  const strict = new Detector([{ name: 'Each', if: ['status_5xx'], for: { times: 1, within: 10_000, share: 0 } }]);
  t.match(strict.answered({ gateway: 'shop', completed: 100, status5xx: 1, atMs: 1000 }), { count: 1 });
  const other = new Detector([{ name: 'Refused', if: ['connection_refused'], for: { times: 1, within: 10_000 } }]);
  t.equal(other.answered({ gateway: 'shop', completed: 100, status5xx: 100, atMs: 1000 }), undefined, 'rules of its own take the place of the default');
});

t.test("php-fpm's slow log is read entry by entry, the first call of each", async (t) => {
  const lines = [
    '',
    '[26-Nov-2026 20:07:55]  [pool www] pid 11158',
    'script_filename = /srv/a.php',
    '[0x00007f5b41c150b0] curl_exec() /srv/lib/http.php:12',
    '[0x00007f5b41c15090] call() /srv/a.php:3',
    '',
    '[26-Nov-2026 20:07:56]  [pool www] pid 2',
    'script_filename = /srv/b.php',
    '[0x00007f5b41c150b0] mysqli_query() /srv/b.php:1',
    'script_filename = no path',
    '[0x00007f5b41c150b0] sleep() /srv/b.php:1',
  ];
  t.same(parseSlowLog(lines), [
    { script: '/srv/a.php', call: 'curl_exec', at: '/srv/lib/http.php:12' },
    { script: '/srv/b.php', call: 'mysqli_query', at: '/srv/b.php:1' },
  ]);
  t.same(['session_start', 'curl_exec', 'mysqli_query', 'PDOStatement->execute', 'Redis->get', 'flock', 'usleep', 'my_own'].map(waitOfCall), [
    'session',
    'remote',
    'database',
    'database',
    'cache',
    'lock',
    'sleep',
    '',
  ]);
});

t.test("of a page that is not Apache's status nothing is believed, and of its rows nothing but path and time is read", async (t) => {
  t.equal(parseApacheStatus('<html>It works</html>', '/server-status'), undefined);
  const row = (mode: string, target: string) =>
    `<tr><td><b>0-0</b></td><td>1</td><td>1/0/0</td><td>${mode}\n</td><td>0.00</td><td>7</td><td>0</td><td>0</td><td>0.0</td><td>0.00</td><td>0.00\n</td><td>203.0.113.7</td><td>http/1.1</td><td nowrap>shop:80</td><td nowrap>GET ${target} HTTP/1.1</td></tr>\n`;
  const html = `<pre>WW_K.\n..</pre>${row('<b>W</b>', '/a?key=secret')}${row('_', '/old')}${row('<b>W</b>', '/server-status')}`;
  t.same(parseApacheStatus(html, '/server-status'), {
    letters: new Map([
      ['W', 2],
      ['K', 1],
    ]),
    idle: 1,
    free: 3,
    pages: [{ page: '/a', forMs: 7000 }],
  });
});

t.test("the kernel's lines about crashes are read, and no others", async (t) => {
  t.same(readFault('php-fpm8.2[4391]: segfault at 1 ip 00007fb5c016b7d0 sp 00007ffd15adeba0 error 4 in ffi.so[97d0,7fb5c0167000+1c000] likely on CPU 1 (core 1, socket 0)'), {
    program: 'php-fpm8.2',
    pid: 4391,
    object: 'ffi.so',
  });
  t.same(readFault('traps: apache2[17] general protection fault ip:7f00 sp:7ffd error:0 in libphp8.2.so[7f0000000000+300000]'), { program: 'apache2', pid: 17, object: 'libphp8.2.so' });
  t.same(readFault('php[4]: segfault at 0 ip 0000000000000000 sp 00007ffc error 14 likely on CPU 0'), { program: 'php', pid: 4, object: '' });
  t.equal(readFault('Out of memory: Killed process 3802 (tail)'), undefined);
});
