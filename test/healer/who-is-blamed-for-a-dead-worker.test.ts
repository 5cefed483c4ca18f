import { execFile, execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { attribute, type Attribution, type Moment } from '../../src/healer/attribute-deaths.ts';
import { DeathMemory } from '../../src/healer/death-memory.ts';
import { readTail } from '../../src/healer/probes/read-lines.ts';
import { readDeath, type WorkerDeath } from '../../src/healer/probes/read-deaths.ts';
import { NewLines } from '../../src/healer/probes/read-new-lines.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const segfault = (pid: number): WorkerDeath => ({ pid, how: 'by SIGSEGV', byFault: true });
const killed = (pid: number): WorkerDeath => ({ pid, how: 'by SIGKILL', byFault: false });

interface Row extends Partial<Omit<Moment, 'fingerprints'>> {
  readonly scene: string;
  readonly asked: readonly string[];
  readonly verdict: Attribution['kind'];
  readonly strikes?: number;
  readonly why?: RegExp;
}

const rows: readonly Row[] = [
  { scene: 'one request, one fault', asked: ['a'], deaths: [segfault(1)], verdict: 'blamed', strikes: 1 },
  { scene: 'the same request twice, two faults', asked: ['a'], requests: 2, deaths: [segfault(1), segfault(2)], verdict: 'blamed', strikes: 2 },
  { scene: 'more workers ended by a fault than requests were cut off', asked: ['a'], deaths: [segfault(1), segfault(2)], verdict: 'blamed', strikes: 1 },
  { scene: 'no worker ended', asked: ['a'], deaths: [], verdict: 'nobody', why: /no worker/ },
  { scene: 'it was killed from outside', asked: ['a'], deaths: [killed(1)], verdict: 'nobody', why: /no worker/ },
  { scene: 'one fault, and one killed from outside', asked: ['a'], deaths: [segfault(1), killed(2)], verdict: 'unclear', why: /another worker ended by SIGKILL/ },
  { scene: 'two different requests, two faults', asked: ['a', 'b'], requests: 2, deaths: [segfault(1), segfault(2)], verdict: 'unclear', why: /different requests/ },
  { scene: 'one worker with several requests in it', asked: ['a'], requests: 3, deaths: [segfault(1)], verdict: 'unclear', why: /not alone/ },
  { scene: 'more were cut off than were told', asked: ['a'], deaths: [segfault(1)], untold: true, verdict: 'unclear', why: /more requests/ },
  { scene: 'the master ended as well', asked: ['a'], deaths: [segfault(1)], sameRun: false, verdict: 'nobody', why: /service itself/ },
];

for (const { scene, asked, verdict, strikes, why, requests = 1, deaths = [], untold = false, sameRun = true } of rows) {
  t.test(`${scene}: ${verdict}`, async (t) => {
    const found = attribute({ fingerprints: new Set(asked), requests, deaths, untold, sameRun });
    t.equal(found.kind, verdict);
    if (found.kind === 'blamed') t.same([found.fingerprint, found.deaths.length], ['a', strikes]);
    else t.match(found.why, why!);
  });
}

const fpm = (end: string): string => `[26-Nov-2026 13:35:59] WARNING: [pool www] child 16610 exited ${end} after 0.015697 seconds from start`;
const apache = (end: string): string => `[Thu Nov 26 13:40:00.123456 2026] [core:notice] [pid 7:tid 140] AH00052: child pid 16610 exit signal ${end}`;

t.test('the end of a worker is read from the lines that masters write', async (t) => {
  for (const [line, how, byFault] of [
    [fpm('on signal 11 (SIGSEGV)'), 'by SIGSEGV', true],
    [fpm('on signal 11 (SIGSEGV - core dumped)'), 'by SIGSEGV', true],
    [fpm('on signal 7 (SIGBUS)'), 'by SIGBUS', true],
    [fpm('on signal 6 (SIGABRT)'), 'by SIGABRT', true],
    [fpm('on signal 4 (SIGILL)'), 'by SIGILL', true],
    [fpm('on signal 8 (SIGFPE)'), 'by SIGFPE', true],
    [fpm('on signal 9 (SIGKILL)'), 'by SIGKILL', false],
    [fpm('on signal 15 (SIGTERM)'), 'by SIGTERM', false],
    [fpm('on signal 99 ()'), 'by signal 99', false],
    [fpm('with code 255'), 'with exit status 255', false],
    ['[26-Nov-2026 13:35:59.123456] WARNING: pid 7, fpm_children_bury(), line 256: [pool www] child 16610 exited on signal 11 (SIGSEGV) after 1 seconds from start', 'by SIGSEGV', true],
    ['[WARNING] [pool www] child 16610 exited on signal 11 (SIGSEGV) after 1 seconds from start', 'by SIGSEGV', true],
    [apache('Segmentation fault (11)'), 'by SIGSEGV', true],
    [apache('Segmentation fault (11), possible coredump in /etc/apache2').replace('AH00052', 'AH00051'), 'by SIGSEGV', true],
    [apache('Aborted (6)').replace('[pid 7:tid 140]', '[pid 7]'), 'by SIGABRT', true],
  ] as const)
    t.same(readDeath(line), { pid: 16_610, how, byFault, ...(line.includes('[pool www]') && { pool: 'www' }) }, line);
});

t.test('nothing that an application writes about its visitors passes for such a line', async (t) => {
  const said = '[pool www] child 16610 exited on signal 11 (SIGSEGV) after 1 seconds from start';
  for (const line of [
    said,
    `[26-Nov-2026 13:35:59] WARNING: [pool www] child 5 said into stderr: "NOTICE: PHP message: WARNING: ${said}"`,
    `[26-Nov-2026 13:35:59] PHP Warning: ${said}`,
    `[Thu Nov 26 13:40:00.123456 2026] [php:notice] [pid 7] [client 127.0.0.1:1] AH00052: child pid 16610 exit signal Segmentation fault (11)`,
    '[26-Nov-2026 13:35:59] NOTICE: [pool www] child 16610 exited with code 0 after 1 seconds from start',
    `[26-Nov-2026 13:35:59] WARNING: [pool ${'w'.repeat(100_000)}`,
    '',
  ])
    t.equal(readDeath(line), undefined, line.slice(0, 120));
});

t.test('only what was added to a log since the last look is read', async (t) => {
  const file = join(tempFolder(t), 'fpm.log');
  const now = Date.parse('2026-11-26T13:36:00');
  const lines = new NewLines();
  writeFileSync(file, 'old\n');
  await lines.skip([file]);
  t.same(await lines.read([file], now), []);
  appendFileSync(file, '[26-Nov-2026 13:35:50] ten seconds before\n[26-Nov-2026 13:36:00] now\nwithout a time\nhalf of a li');
  t.same(await lines.read([file], now), ['[26-Nov-2026 13:36:00] now', 'without a time']);
  appendFileSync(file, 'ne\n');
  t.same(await lines.read([file], now), ['half of a line']);
  renameSync(file, `${file}.1`);
  t.same(await lines.read([file], now), [], 'rotated away');
  writeFileSync(file, 'in the new file\n');
  t.same(await lines.read([file], now), ['in the new file']);
  writeFileSync(file, 'cut\n');
  t.same(await lines.read([file], now), ['cut'], 'cut to nothing and begun again');
  appendFileSync(file, `${'x'.repeat(300_000)}\nlast\n`);
  t.same((await lines.read([file], now)).at(-1), 'last', 'of too much the end is read');
  t.same(await lines.read([join(file, '..', 'unknown.log')], now), []);
});

const request = (name: string) => ({ fingerprint: name, name: `GET /${name}` });

t.test('strikes count together for ten minutes', async (t) => {
  const memory = new DeathMemory();
  t.equal(memory.blame(request('a'), [segfault(1)], 0), 1);
  t.equal(memory.blame(request('b'), [segfault(2)], 1000), 1);
  t.equal(memory.blame(request('a'), [segfault(3)], 599_000), 2);
  t.equal(memory.blame(request('a'), [segfault(4)], 1_199_000), 1, 'the first two are forgotten');
});

t.test('a quarantine ends by itself, and two new strikes begin the next', async (t) => {
  const memory = new DeathMemory();
  memory.blame(request('a'), [segfault(1), segfault(2)], 0);
  memory.quarantine(request('a'), { incident: 'i', forMs: 60_000 }, 0);
  t.match(memory.quarantined(59_999), [{ name: 'GET /a', incident: 'i', untilMs: 60_000 }]);
  t.same(memory.quarantined(60_000), []);
  t.equal(memory.blame(request('a'), [segfault(3)], 61_000), 1);
});

t.test('evidence is about what happens now', async (t) => {
  const memory = new DeathMemory();
  memory.blame(request('a'), [segfault(1), segfault(2)], 0);
  memory.noteUnclear([segfault(3)], 'different requests were cut off', 0);
  t.match(memory.evidence(0), [{ kind: 'worker_deaths', text: /3 workers ended by SIGSEGV.*different requests/, facts: { deaths: 3 } }]);
  memory.quarantine(request('a'), { incident: 'i', forMs: 600_000 }, 0);
  t.match(memory.evidence(9999), [
    { kind: 'killed_worker', text: 'GET /a alone was in the worker each time that one ended: child 1 by SIGSEGV, child 2 by SIGSEGV.' },
    { kind: 'worker_deaths', text: /1 worker ended/ },
  ]);
  t.match(memory.evidence(10_000), [{ kind: 'worker_deaths' }], 'what is in quarantine kills nobody any more');
  t.same(memory.evidence(60_000), []);
});

t.test('whatever is asked, a bounded number is remembered, and what is in quarantine is not forgotten for it', async (t) => {
  const memory = new DeathMemory();
  memory.blame(request('first'), [segfault(1), segfault(2)], 0);
  memory.quarantine(request('first'), { incident: 'i', forMs: 600_000 }, 0);
  for (let i = 0; i < 5000; i++) {
    memory.blame(request(`flood-${i}`), [segfault(i)], 1);
    memory.noteUnclear([segfault(i)], 'flood', 1);
  }
  for (let i = 0; i < 1000; i++) memory.blame(request('often'), [segfault(i)], 1);
  t.ok(memory.unblamed(1).length <= 500 + 10 + 100);
  t.match(memory.quarantined(1), [{ name: 'GET /first' }]);
  for (let i = 0; i < 1000; i++) memory.quarantine(request(`more-${i}`), { incident: 'i', forMs: 600_000 }, 1);
  t.equal(memory.quarantined(1).length, 200);
});

t.test('a FIFO in the place of a log keeps nobody waiting', async (t) => {
  const file = join(tempFolder(t), 'fpm.log');
  execFileSync('mkfifo', [file]);
  const lines = new NewLines();
  for (let i = 0; i < 5; i++) t.same(await lines.read([file], 0), []);
  await t.rejects(readTail(file, 0), /no regular file/);
});

t.test('what is put in the place of a log is not even opened: a device may act on that', async (t) => {
  const file = join(tempFolder(t), 'fpm.log');
  execFileSync('mkfifo', [file]);
  // The writer waits for the first who opens the FIFO; its word is for him.
  const writer = execFile('/bin/sh', ['-c', 'echo untouched > "$1"', 'sh', file]);
  t.teardown(() => writer.kill('SIGKILL'));
  await until(() => /^State:\tS/m.test(readFileSync(`/proc/${writer.pid}/status`, 'utf8')), { timeoutMs: 15_000, what: 'the writer to wait' });
  await t.rejects(readTail(file, 0), /no regular file/);
  t.equal(execFileSync('/bin/cat', [file], { encoding: 'utf8', timeout: 5000 }), 'untouched\n');
});

t.test('a log that may not be read is named by its own path', { skip: isRoot && 'root may read every file' }, async (t) => {
  const file = join(tempFolder(t), 'fpm.log');
  writeFileSync(file, 'x', { mode: 0 });
  await t.rejects(readTail(file, 0), new RegExp(`EACCES.*${file}`));
});
