import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { listAuditFiles } from '../../../src/healer/audit/files.ts';
import type { AuditEvent } from '../../../src/healer/audit/record.ts';
import { auditRecordSchema } from '../../../src/healer/audit/record.ts';
import { sealFiles } from '../../../src/healer/audit/seal.ts';
import { verifyAuditFolder } from '../../../src/healer/audit/verify-audit-folder.ts';
import { recordsIn } from '../../fixtures/audit/records-in.ts';
import { append, crash, crashEvents, openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { finish, succeed } from '../../support/program.ts';
import { isRoot } from '../../support/skip.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';

const note: AuditEvent = { event: 'agent.started' };
const intent: AuditEvent = { event: 'action.intent', incident: crash.id, service: 'shop', action: 'start', action_id: crash.actionId, argv: ['/bin/true'] };
const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);
const verify = async (folder: string) => verifyAuditFolder(await listAuditFiles(folder));

t.test('records stand in one chain, which sha256sum alone can follow', async (t) => {
  const folder = join(tempFolder(t), 'not', 'there', 'yet');
  const clock = new StoryClock();
  const log = await openStory(folder, clock);
  t.teardown(() => log.close());
  await append(log, clock, crashEvents());
  t.same(readdirSync(folder), ['audit-20261122-01.jsonl']);
  const path = join(folder, 'audit-20261122-01.jsonl');
  t.equal(statSync(path).mode & 0o777, 0o640);
  const records = await recordsIn(folder);
  t.same(
    records.map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6, 7],
  );
  t.equal(records[0]?.prev, '0'.repeat(64));
  t.match(records[0], { v: 1, ts: '2026-11-22T03:12:05.000Z', boot: 'boot-1', host: 'web1', agent: 'goodgateway test' });
  t.equal(await succeed(['/bin/sh', '-c', `sed -n 3p "$1" | sha256sum | cut -d' ' -f1`, 'sh', path]), `${records[3]?.prev}\n`);
});

t.test('appends of one moment keep their order and their chain', async (t) => {
  const folder = tempFolder(t);
  const log = await openStory(folder, new StoryClock());
  t.teardown(() => log.close());
  const results = await Promise.all(Array.from({ length: 200 }, (_, i) => log.append({ event: 'incident.updated', text: `n ${i}` })));
  t.same(
    results.map((result) => result.kind === 'appended' && result.seq),
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
  t.same(
    (await recordsIn(folder)).map(({ text }) => text),
    Array.from({ length: 200 }, (_, i) => `n ${i}`),
  );
  t.match(await verify(folder), { ok: true, records: 200 });
});

t.test('more appends than can wait are refused, not kept', async (t) => {
  const folder = tempFolder(t);
  const log = await openStory(folder, new StoryClock());
  t.teardown(() => log.close());
  const results = await Promise.all(Array.from({ length: 1100 }, () => log.append(note)));
  t.equal(results.filter(({ kind }) => kind === 'appended').length, 1000);
  t.match(results.at(-1), { kind: 'not_written', detail: /1000 records wait/ });
  for (let i = 0; i < 30; i++) void log.append({ event: 'incident.updated', service: `s${i}` });
  await Promise.all(Array.from({ length: 1100 }, (_, i) => log.append({ event: 'incident.updated', service: `s${i % 30}` })));
  await log.append(note);
  const gaps = (await recordsIn(folder)).flatMap(({ unwritten }) => (unwritten ? [unwritten] : []));
  t.match(gaps[0], { count: 100, kinds: [{ what: 'agent.started', count: 100 }] });
  t.match(gaps[1], { count: 130 });
  t.equal(gaps[1]?.kinds.length, 20, 'of more kinds only the number is kept');
});

t.test('a new day and a full file begin the next file, the chain goes on', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock('2026-11-22T23:59:59.000Z');
  const log = await openStory(folder, clock, 850);
  t.teardown(() => log.close());
  for (let i = 0; i < 5; i++) await log.append(note);
  clock.now += 2000;
  await log.append(note);
  clock.now -= 86_400_000;
  await log.append(note);
  const names = (await listAuditFiles(folder)).map(({ name }) => name.replace('.gz', ''));
  t.same(names, ['audit-20261122-01.jsonl', 'audit-20261122-02.jsonl', 'audit-20261123-01.jsonl'], 'a clock that goes back opens no file of the past');
  t.match(await verify(folder), { ok: true, records: 9, files: 3 });
  const last = linesOf(join(folder, 'audit-20261122-02.jsonl')).at(-1);
  const first = auditRecordSchema.parse(JSON.parse(linesOf(join(folder, 'audit-20261123-01.jsonl'))[0] ?? ''));
  t.equal(first.prev, createHash('sha256').update(`${last}\n`).digest('hex'));
});

t.test('a next file that cannot be made safe leaves nothing behind, however often it is tried', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const log = await openStory(folder, clock);
  t.teardown(() => log.close());
  await append(log, clock, [note]);
  clock.now += 86_400_000;
  /** The directory's own handle is listed too, and is gone then. */
  const open = () => {
    const handles = readdirSync('/proc/self/fd').map((fd) => `/proc/self/fd/${fd}`);
    return handles.filter((path) => existsSync(path) && readlinkSync(path).startsWith(folder)).length;
  };
  // Files can be made in it, and it cannot be opened to bring their names to the disk.
  chmodSync(folder, 0o333);
  if (isRoot) process.seteuid!(65534);
  try {
    for (let i = 0; i < 3; i++) t.match(await log.append(note), { kind: 'not_written', errno: 'EACCES' });
  } finally {
    if (isRoot) process.seteuid!(0);
    chmodSync(folder, 0o755);
  }
  t.same(readdirSync(folder), ['audit-20261122-01.jsonl']);
  t.equal(open(), 1);
  t.match(await log.append(note), { kind: 'appended', file: join(folder, 'audit-20261123-01.jsonl') });
  t.match(await verify(folder), { ok: true, files: 2 });
});

t.test('every file that was left is read-only before any of them is compressed', async (t) => {
  const folder = tempFolder(t);
  const names = ['audit-20261120-01.jsonl', 'audit-20261121-01.jsonl', 'audit-20261122-01.jsonl'];
  for (const each of names) writeFileSync(join(folder, each), '{}\n', { mode: 0o640 });
  let sealed = 0;
  t.same(await sealFiles(folder, { signal: AbortSignal.abort(), onSealed: () => (sealed += 1) }), []);
  t.equal(sealed, 2, 'told of each');
  t.same(
    names.map((each) => (statSync(join(folder, each)).mode & 0o777).toString(8)),
    ['440', '440', '640'],
    'the stop came while the oldest was compressed',
  );
});

t.test('a file that is left is read-only and then compressed, and its hash as a whole stands in the next one', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const log = await openStory(folder, clock);
  const [first, second, third] = ['audit-20261122-01.jsonl', 'audit-20261123-01.jsonl', 'audit-20261124-01.jsonl'].map((name) => join(folder, name)) as [string, string, string];
  for (let day = 0; day < 3; day++) {
    await append(log, clock, crashEvents());
    clock.now += 86_400_000;
  }
  const modes = (paths: string[]) => paths.map((path) => statSync(path).mode & 0o777);
  // the first may be compressed before the second is left
  await until(() => !existsSync(first) && modes([second])[0] === 0o440, { timeoutMs: 15_000, what: 'the first file to be compressed and the second to be read-only' });
  t.same(modes([`${first}.gz`, third]), [0o440, 0o640]);
  const [sealed1, sealed2] = (await recordsIn(folder)).flatMap(({ event, sealed }) => (event === 'audit.rotated' && sealed ? [sealed] : []));
  t.match(sealed1, { file: 'audit-20261122-01.jsonl', last_seq: 7 });
  t.equal(await succeed(['/bin/sh', '-c', `zcat "$1" | sha256sum | cut -d' ' -f1`, 'sh', `${first}.gz`]), `${sealed1?.sha256}\n`);
  t.equal(await succeed(['/bin/sh', '-c', `sha256sum < "$1" | cut -d' ' -f1`, 'sh', second]), `${sealed2?.sha256}\n`);
  t.equal(sealed2?.bytes, statSync(second).size);
  await log.close();
  const next = await openStory(folder, clock);
  t.teardown(() => next.close());
  await next.append(note);
  t.match((await recordsIn(folder)).slice(-2), [
    { event: 'audit.rotated', sealed: { file: 'audit-20261124-01.jsonl', sha256: createHash('sha256').update(readFileSync(third)).digest('hex') } },
    { event: 'agent.started' },
  ]);
  t.match(await verify(folder), { ok: true, files: 4 });
});

for (const [what, seal] of [
  ['made read-only', (path: string) => chmodSync(path, 0o440)],
  [
    'compressed',
    (path: string) => {
      writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
      unlinkSync(path);
    },
  ],
] as const) {
  t.test(`a newest file that somebody has ${what} is written to no more`, async (t) => {
    const folder = tempFolder(t);
    const clock = new StoryClock();
    const first = await openStory(folder, clock);
    await append(first, clock, crashEvents());
    await first.close();
    const path = join(folder, 'audit-20261122-01.jsonl');
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    seal(path);
    const second = await openStory(folder, clock);
    t.teardown(() => second.close());
    t.match(await second.append(note), { kind: 'appended', seq: 9, file: join(folder, 'audit-20261122-02.jsonl') });
    t.match((await recordsIn(folder))[7], { event: 'audit.rotated', sealed: { file: 'audit-20261122-01.jsonl', last_seq: 7, sha256 } });
    t.match(await verify(folder), { ok: true, records: 9, files: 2 });
  });
}

t.test('a crash while a file is compressed leaves it plain; what it left is no file of the log, and is made anew', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const first = await openStory(folder, clock, 1);
  for (let i = 0; i < 2; i++) await first.append(note);
  await first.close();
  const path = join(folder, 'audit-20261122-01.jsonl');
  const [plain] = (await recordsIn(folder)).slice(0, 1);
  for (const left of [`${path}.part.gz`, `${path}.gz`]) writeFileSync(left, 'half of it', { mode: 0o440 });
  const second = await openStory(folder, clock, 1);
  t.teardown(() => second.close());
  await second.append(note);
  await until(() => !existsSync(path), { timeoutMs: 10_000, what: 'the first file to be compressed' });
  t.same((await recordsIn(folder))[0], plain);
  t.same(
    readdirSync(folder).filter((name) => name.includes('.part')),
    [],
  );
  t.match(await verify(folder), { ok: true });
});

t.test('a file that cannot be compressed stays plain, is told once, and keeps nothing from being written', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const log = await openStory(folder, clock, 1);
  t.teardown(() => log.close());
  mkdirSync(join(folder, 'audit-20261122-01.jsonl.gz', 'in the way'), { recursive: true });
  for (let i = 0; i < 5; i++) await log.append(note);
  await until(async () => (await recordsIn(folder)).some(({ text }) => text?.includes('could not be sealed and compressed')), { timeoutMs: 10_000, what: 'the record of it' });
  await until(() => existsSync(join(folder, 'audit-20261122-04.jsonl.gz')), { timeoutMs: 10_000, what: 'the others to be compressed' });
  t.equal((await recordsIn(folder)).filter(({ text }) => text?.includes('could not be sealed')).length, 1);
  t.match(await verify(folder), { ok: true });
});

t.test('a log that is opened again goes on where it ended', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const first = await openStory(folder, clock);
  await append(first, clock, [...crashEvents(), intent]);
  await first.close();
  t.match(await first.append(note), { kind: 'not_written' }, 'a closed log writes no more');
  const second = await openStory(folder, clock);
  t.teardown(() => second.close());
  t.same(
    second.openIntents().map(({ seq, action_id, argv }) => ({ seq, action_id, argv })),
    [{ seq: 8, action_id: crash.actionId, argv: ['/bin/true'] }],
    'the intent without an outcome is handed back',
  );
  await append(second, clock, [{ ...intent, event: 'action.unknown' }]);
  t.match(await verify(folder), { ok: true, records: 9 });
  const third = await openStory(folder, clock);
  t.teardown(() => third.close());
  t.same(third.openIntents(), [], 'an unknown outcome is an outcome');
});

t.test('the end of a run that is not on record is found', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  /** What the next one finds after these. */
  const after = async (...events: readonly AuditEvent[]): Promise<unknown> => {
    const log = await openStory(folder, clock);
    const found = log.crashedRun()?.seq;
    await append(log, clock, events);
    await log.close();
    return found;
  };
  t.equal(await after({ event: 'agent.started' }, { event: 'policy.loaded' }), undefined, 'nobody was here');
  t.equal(await after({ event: 'agent.crashed' }), 1);
  t.equal(await after({ event: 'agent.started' }), undefined, 'it is told once');
  t.equal(await after({ event: 'agent.stopped' }), 4);
  t.equal(await after(), undefined, 'an orderly end');
});

t.test('an open intent is found when the file was changed after it', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock('2026-11-22T23:59:59.000Z');
  const log = await openStory(folder, clock);
  await append(log, clock, [intent]);
  clock.now += 5000;
  await append(log, clock, [note]);
  await log.close();
  const next = await openStory(folder, clock);
  t.teardown(() => next.close());
  t.equal(readdirSync(folder).length, 2);
  t.equal(next.openIntents().length, 1);
});

for (const [what, tail] of [
  ['half a line', Buffer.from('{"v":1,"seq":8,"ts":"2026-11')],
  ['blocks of zeros', Buffer.alloc(5000)],
  ['a whole line that is no record', Buffer.from('{"seq":"eight"}\n')],
] as const) {
  t.test(`a torn end is set aside and told: ${what}`, async (t) => {
    const folder = tempFolder(t);
    const clock = new StoryClock();
    const first = await openStory(folder, clock);
    await append(first, clock, crashEvents());
    await first.close();
    appendFileSync(join(folder, 'audit-20261122-01.jsonl'), tail);
    const second = await openStory(folder, clock);
    t.teardown(() => second.close());
    t.same(readFileSync(join(folder, 'audit-20261122-01.jsonl.torn')), tail);
    t.match((await recordsIn(folder)).at(-1), { seq: 8, event: 'audit.gap', gap: { bytes: tail.length, file: 'audit-20261122-01.jsonl.torn' } });
    await append(second, clock, [note]);
    t.match(await verify(folder), { ok: true, records: 9 });
  });
}

t.test('a torn first line of a new file leaves the chain to the file before', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const first = await openStory(folder, clock);
  await append(first, clock, crashEvents());
  await first.close();
  for (const day of ['20261123', '20261124', '20261125']) writeFileSync(join(folder, `audit-${day}-01.jsonl`), day === '20261125' ? '{"v":1,' : '');
  const second = await openStory(folder, clock);
  t.teardown(() => second.close());
  t.match((await recordsIn(folder)).slice(-2), [
    { seq: 8, event: 'audit.gap', gap: { bytes: 7 } },
    { seq: 9, event: 'audit.rotated', sealed: { file: 'audit-20261122-01.jsonl', last_seq: 7 } },
  ]);
  t.match(await verify(folder), { ok: true, records: 9 });
});

t.test('a full disk is a value; half a line is taken back; room made is used', { skip: !isRoot && 'needs root: mounts a small tmpfs; run the tests as root' }, async (t) => {
  if (!isRoot) return;
  const folder = tempFolder(t);
  await succeed(['/bin/mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  t.teardown(() => finish(['/bin/umount', folder]));
  const clock = new StoryClock();
  const log = await openStory(folder, clock);
  t.teardown(() => log.close());
  const ballast = join(folder, 'ballast');
  writeFileSync(ballast, Buffer.alloc(40_960));
  let written = 0;
  let result = await log.append(intent);
  for (; result.kind === 'appended'; result = await log.append({ ...intent, text: 'x'.repeat(700) })) written += 1;
  t.ok(written > 5, `${written} records fitted`);
  t.match(result, { kind: 'not_written', detail: /No space left|no space left/i });
  t.match(log.failure(), { kind: 'not_written' });
  t.match(await verify(folder), { ok: true, records: written }, 'no part of the line stayed');
  t.match(await log.append({ ...intent, text: 'x'.repeat(700) }), { kind: 'not_written' }, 'still full');
  unlinkSync(ballast);
  await until(async () => (await recordsIn(folder)).at(-1)?.event === 'audit.gap', { timeoutMs: 20_000, what: 'the gap to be told, though nobody writes anything' });
  t.match(await log.append(intent), { kind: 'appended', seq: written + 2 }, 'the number of the lost record is used');
  t.match((await recordsIn(folder)).at(-2), {
    event: 'audit.gap',
    unwritten: { count: 2, kinds: [{ what: 'action.intent start of shop', count: 2 }], why: /ENOSPC|no space/ },
    text: /^2 records could not be written/,
  });
  t.equal(log.failure(), undefined);
  t.match(await verify(folder), { ok: true, records: written + 2 });
});

t.test('a folder that is gone is a value, and the log goes on when it is back', async (t) => {
  const root = tempFolder(t);
  const folder = join(root, 'log');
  const clock = new StoryClock();
  const log = await openStory(folder, clock);
  t.teardown(() => log.close());
  await append(log, clock, crashEvents());
  rmSync(folder, { recursive: true });
  t.match(await log.append(intent), { kind: 'not_written', errno: 'ENOENT', detail: /cannot be written: ENOENT.*make the folder again/ });
  mkdirSync(folder);
  t.match(await log.append(intent), { kind: 'appended', seq: 10 });
  t.match(await recordsIn(folder), [
    { seq: 8, event: 'audit.gap', text: /was removed/, sealed: { last_seq: 7 } },
    { seq: 9, event: 'audit.gap', unwritten: { count: 1 } },
    { seq: 10, event: 'action.intent' },
  ]);
  t.match(await verify(folder), { ok: true, firstSeq: 8 }, 'what is left is whole, and says with which record it begins');
});

t.test('a log that cannot be opened says why, and works once it can', async (t) => {
  const root = tempFolder(t);
  const folder = join(root, 'log');
  writeFileSync(folder, 'a file where the folder should be');
  const log = await openStory(folder, new StoryClock());
  t.teardown(() => log.close());
  t.match(log.failure(), { kind: 'not_written', detail: /cannot be written/ });
  t.match(await log.append(note), { kind: 'not_written' });
  unlinkSync(folder);
  mkdirSync(folder);
  t.match(await log.append(note), { kind: 'appended', seq: 2 });
  t.match(await recordsIn(folder), [
    { seq: 1, event: 'audit.gap', unwritten: { count: 1, kinds: [{ what: 'agent.started', count: 1 }] } },
    { seq: 2, event: 'agent.started' },
  ]);
});

for (const [what, touch] of [
  ['made shorter', (path: string) => truncateSync(path, 300)],
  ['written to', (path: string) => appendFileSync(path, 'not a record')],
  [
    'replaced',
    (path: string) => {
      renameSync(path, `${path}.old`);
      writeFileSync(path, readFileSync(`${path}.old`));
    },
  ],
] as const) {
  t.test(`a file that somebody else has ${what} is left alone, told, and followed by the next`, async (t) => {
    const folder = tempFolder(t);
    const clock = new StoryClock();
    const log = await openStory(folder, clock);
    t.teardown(() => log.close());
    await append(log, clock, crashEvents());
    const path = join(folder, 'audit-20261122-01.jsonl');
    touch(path);
    const touched = readFileSync(path);
    t.match(await log.append(note), { kind: 'appended', seq: 9 });
    t.same(readFileSync(path), touched);
    const [gap] = linesOf(join(folder, 'audit-20261122-02.jsonl'));
    t.match(JSON.parse(gap ?? ''), { seq: 8, event: 'audit.gap', gap: { file: 'audit-20261122-01.jsonl' } });
    t.equal((await verify(folder)).ok, what === 'replaced', 'the chain tells too, where the content differs');
  });
}
