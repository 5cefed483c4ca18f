import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { collectorNames } from '../../src/config/policy-schema.ts';
import { captureEvidence, type CaptureRequest } from '../../src/healer/capture-evidence.ts';
import { readCommand } from '../../src/healer/collectors/read-command.ts';
import * as registered from '../../src/healer/collectors/registry.ts';
import type { Collector } from '../../src/healer/leaves.ts';
import { retireEvidence } from '../../src/healer/retire-evidence.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as types from '../../src/healer/services/registry.ts';
import { openStateStore } from '../../src/healer/state-store.ts';
import { recordsIn } from '../fixtures/audit/records-in.ts';
import { openStory, StoryClock } from '../fixtures/audit/story.ts';
import { serviceTarget } from '../fixtures/services/target.ts';
import { preparePhpFpm } from '../support/php-fpm.ts';
import { missing } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

const collectors: readonly Collector[] = Object.values(registered);
const never = new AbortController().signal;
const external = serviceTarget({ type: 'external' }, { stateFolder: '/nonexistent' });

function request(folder: string, more: Partial<CaptureRequest> = {}, context: Partial<CaptureRequest['context']> = {}): CaptureRequest {
  return {
    folder: join(folder, 'evidence', 'INCIDENT', '1'),
    wanted: collectorNames,
    collectors,
    signal: never,
    context: { target: external, state: { state: 'unknown', text: '', pids: [], fence: '' }, run: runCommand, sinceMs: 0, maxBytes: 8 * 1024 ** 2, timeoutMs: 60_000, ...context },
    ...more,
  };
}

function collector(name: Collector['name'], collect: Collector['collect']): Collector {
  return { name, applies: () => true, collect };
}

function manifestOf(folder: string): { readonly entries: readonly Record<string, unknown>[] } {
  return JSON.parse(readFileSync(join(folder, 'evidence/INCIDENT/1/manifest.json'), 'utf8'));
}

t.test('R11 evidence before action: a real php-fpm, each collector with its own word, each file with its hash', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await preparePhpFpm(t, {});
  await fpm.start();
  appendFileSync(fpm.log, '[22-Nov-2026 08:08:03] WARNING: DB_PASSWORD=hunter2 in pool www\n');
  const target = serviceTarget({ type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv, log: [fpm.log] }, { upstreams: [fpm.address], stateFolder: join(fpm.folder, 'state') });
  const state = await types.process.state(target, runCommand, never);
  const folder = tempFolder(t);
  const captured = await captureEvidence(request(folder, {}, { target, state }));
  t.match(captured, { kind: 'kept', folder: join(folder, 'evidence/INCIDENT/1') });
  const manifest = readFileSync(join(folder, 'evidence/INCIDENT/1/manifest.json'));
  t.equal(captured.kind === 'kept' && captured.manifestSha256, createHash('sha256').update(manifest).digest('hex'));
  const { entries } = manifestOf(folder);
  t.same(
    entries.map((entry) => entry['collector']),
    collectorNames,
    'nobody is left out',
  );
  const kept = entries.filter((entry) => entry['status'] === 'kept');
  for (const name of ['unit_status', 'log_tail', 'worker_stacks', 'sockets', 'pressure', 'disk_usage'])
    t.ok(
      kept.some((entry) => entry['collector'] === name),
      name,
    );
  for (const entry of kept) {
    const file = join(folder, 'evidence/INCIDENT/1', String(entry['file']));
    const content = readFileSync(file);
    t.equal(createHash('sha256').update(content).digest('hex'), entry['sha256'], `the hash of ${file}`);
    t.equal(statSync(file).mode & 0o777, 0o600);
    t.notMatch(content.toString(), /hunter2/, 'no secret');
  }
  const text = (name: string) => readFileSync(join(folder, 'evidence/INCIDENT/1', name), 'utf8');
  t.match(text('log-tail.txt'), /DB_PASSWORD=\[redacted\]/);
  t.match(text('worker-stacks.txt'), new RegExp(`process ${fpm.masterPid()}, \\d+ open descriptors`));
  t.match(text('sockets.txt'), /php-fpm8\.2 \d+/);
  t.equal(statSync(join(folder, 'evidence/INCIDENT/1')).mode & 0o777, 0o700);
});

t.test('R11: one that is late or broken costs nobody else anything, and says so', async (t) => {
  const folder = tempFolder(t);
  const slow = collector('pressure', (_context, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('too late'))));
  const broken = collector('sockets', async () => {
    throw new Error('no such file');
  });
  const good = collector('log_tail', async () => 'here it is');
  const captured = await captureEvidence(request(folder, { wanted: ['pressure', 'sockets', 'log_tail'], collectors: [slow, broken, good] }, { timeoutMs: 200 }));
  t.match(captured, { kind: 'kept', files: 1 });
  t.match(manifestOf(folder).entries, [
    { collector: 'pressure', status: 'failed', detail: /not finished in time/ },
    { collector: 'sockets', status: 'failed', detail: 'no such file' },
    { collector: 'log_tail', status: 'kept', bytes: 10 },
  ]);
});

t.test('R11: no more than the policy allows, the end rather than the beginning; a key across two pieces is taken out of both', async (t) => {
  const folder = tempFolder(t);
  const key = `-----BEGIN PRIVATE KEY-----\n${'SECRETKEY\n'.repeat(300)}-----END PRIVATE KEY-----\n`;
  const long = `${'x'.repeat(99)}\n`.repeat(590) + key + `${'y'.repeat(99)}\n`.repeat(100);
  const wanted = ['log_tail', 'pressure'] as const;
  const captured = await captureEvidence(request(folder, { wanted, collectors: [collector('log_tail', async () => long), collector('pressure', async () => 'short')] }, { maxBytes: 40_000 }));
  t.match(captured, { kind: 'kept', files: 2 });
  const text = readFileSync(join(folder, 'evidence/INCIDENT/1/log-tail.txt'), 'utf8');
  t.equal(text.length, 20_000);
  t.ok(text.endsWith('yyy\n'));
  t.notMatch(text, /SECRETKEY/);
  t.match(manifestOf(folder).entries, [{ cut: true, redacted: Number }, { bytes: 5 }]);
});

t.test('R11: where nothing can be kept it says why, and nobody else is hurt', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'evidence'), 'a file is in the way');
  t.match(await captureEvidence(request(folder)), { kind: 'not_kept', detail: /no evidence could be kept in .*(EEXIST|ENOTDIR)/ });
});

/** Folders of incidents, each with one look, so many days old. */
async function oldEvidence(t: TestScope, ages: Readonly<Record<string, number>>) {
  const root = tempFolder(t);
  const folder = join(root, 'evidence');
  const clock = new StoryClock();
  for (const [id, age] of Object.entries(ages)) {
    mkdirSync(join(folder, id, '1'), { recursive: true });
    writeFileSync(join(folder, id, '1', 'log-tail.txt'), 'x'.repeat(100));
    writeFileSync(join(folder, id, '1', 'manifest.json'), `{"of":"${id}"}`);
    const at = (clock.wallMs() - age * 86_400_000) / 1000;
    utimesSync(join(folder, id), at, at);
  }
  const audit = await openStory(join(root, 'audit'), clock);
  t.teardown(() => audit.close());
  const state = await openStateStore(join(root, 'state'), clock, () => 0.5);
  const removals = async () => (await recordsIn(join(root, 'audit'))).filter(({ event }) => event === 'evidence.removed');
  return { root, folder, removals, healer: { audit, state, clock } };
}

t.test('evidence is removed after two weeks, the oldest first, never of an open incident; what goes is on record with its hash', async (t) => {
  const { folder, removals, healer } = await oldEvidence(t, { OLD: 15, OLDER: 16, OPEN: 20, NEW: 1 });
  t.same(await retireEvidence(folder, healer, 'OPEN'), ['OLDER', 'OLD']);
  t.same(readdirSync(folder).sort(), ['NEW', 'OPEN']);
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  t.match(await removals(), [
    { files: { folder: join(folder, 'OLDER', '1'), manifest_sha256: sha256('{"of":"OLDER"}'), bytes: 100, count: 1 } },
    { files: { manifest_sha256: sha256('{"of":"OLD"}') } },
  ]);
  t.same(await retireEvidence(join(folder, 'none'), healer), []);
});

t.test('how long and how much evidence is kept can be said', async (t) => {
  const { folder, healer } = await oldEvidence(t, { A: 4, B: 3, C: 2, D: 1 });
  t.same(await retireEvidence(folder, { ...healer, evidence: { keepMs: 3.5 * 86_400_000, keepBytes: 250 } }), ['A', 'B']);
});

t.test('evidence whose removal cannot be recorded stays', async (t) => {
  const { folder, root, healer } = await oldEvidence(t, { OLD: 15 });
  rmSync(join(root, 'audit'), { recursive: true });
  t.same(await retireEvidence(folder, healer), []);
  t.same(readdirSync(folder), ['OLD']);
});

t.test('R11: a cut beginning is left out: of half a line nobody can say whether it is a secret', async (t) => {
  const folder = tempFolder(t);
  const log = join(folder, 'app.log');
  writeFileSync(log, `${'x'.repeat(50)}PASSWORD_HALF\nwhole line\n`);
  const target = serviceTarget({ type: 'process', start: ['/bin/true'], log: [log] }, { stateFolder: folder });
  await captureEvidence(request(folder, { wanted: ['log_tail'] }, { target, maxBytes: 20 }));
  t.equal(readFileSync(join(folder, 'evidence/INCIDENT/1/log-tail.txt'), 'utf8').includes('HALF'), false);
  const printed = await readCommand(
    ['/bin/echo', 'Environment=SECRET=1\nActiveState=active'],
    { target, state: { state: 'unknown', text: '', pids: [], fence: '' }, run: runCommand, sinceMs: 0, maxBytes: 30, timeoutMs: 60_000 },
    never,
  );
  t.equal(printed, 'ActiveState=active');
});
