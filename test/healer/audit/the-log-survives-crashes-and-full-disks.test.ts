import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { listAuditFiles } from '../../../src/healer/audit/files.ts';
import type { AuditEvent } from '../../../src/healer/audit/record.ts';
import { auditRecordSchema } from '../../../src/healer/audit/record.ts';
import { verifyAuditFolder } from '../../../src/healer/audit/verify-audit-folder.ts';
import { append, crash, crashEvents, openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { finish, start, succeed } from '../../support/program.ts';
import { isRoot } from '../../support/skip.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const note: AuditEvent = { event: 'agent.started' };
const intent: AuditEvent = { event: 'action.intent', incident: crash.id, service: 'shop', action: 'start', action_id: crash.actionId, argv: ['/bin/true'] };
const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);
const recordsIn = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted()
    .flatMap((name) => linesOf(join(folder, name)).map((line) => auditRecordSchema.parse(JSON.parse(line))));
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
  const records = recordsIn(folder);
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
    recordsIn(folder).map(({ text }) => text),
    Array.from({ length: 200 }, (_, i) => `n ${i}`),
  );
  t.match(await verify(folder), { ok: true, records: 200 });
});

t.test('more appends than can wait are refused, not kept', async (t) => {
  const log = await openStory(tempFolder(t), new StoryClock());
  t.teardown(() => log.close());
  const results = await Promise.all(Array.from({ length: 1100 }, () => log.append(note)));
  t.equal(results.filter(({ kind }) => kind === 'appended').length, 1000);
  t.match(results.at(-1), { kind: 'not_written', detail: /1000 records wait/ });
});

t.test('a new day and a full file begin the next file, the chain goes on', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock('2026-11-22T23:59:59.000Z');
  const log = await openStory(folder, clock, 700);
  t.teardown(() => log.close());
  for (let i = 0; i < 4; i++) await log.append(note);
  clock.now += 2000;
  await log.append(note);
  clock.now -= 86_400_000;
  await log.append(note);
  t.same(readdirSync(folder), ['audit-20261122-01.jsonl', 'audit-20261122-02.jsonl', 'audit-20261123-01.jsonl'], 'a clock that goes back opens no file of the past');
  t.match(await verify(folder), { ok: true, records: 6, files: 3 });
  const last = linesOf(join(folder, 'audit-20261122-02.jsonl')).at(-1);
  const first = auditRecordSchema.parse(JSON.parse(linesOf(join(folder, 'audit-20261123-01.jsonl'))[0] ?? ''));
  t.equal(first.prev, createHash('sha256').update(`${last}\n`).digest('hex'));
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
    t.match(recordsIn(folder).at(-1), { seq: 8, event: 'audit.gap', gap: { bytes: tail.length, file: 'audit-20261122-01.jsonl.torn' } });
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
  t.match(recordsIn(folder).at(-1), { seq: 8, event: 'audit.gap', gap: { bytes: 7 } });
  t.match(await verify(folder), { ok: true, records: 8 });
});

t.test('a writer killed at any moment leaves a log that verifies and knows its open intents', async (t) => {
  const folder = tempFolder(t);
  const promised = new Set<string>();
  // A small linear congruential generator: the same moments in every run.
  let seed = 20_261_122;
  const random = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
  for (let round = 0; round < 6; round++) {
    const writer = start([process.execPath, join(import.meta.dirname, '../../fixtures/audit/writes-until-killed.ts'), folder]);
    const killAfterBytes = 35 * (1 + random(40));
    while (writer.output().length < killAfterBytes) {
      const ended = await Promise.race([writer.ended, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))]);
      if (ended) return void t.fail('the writer ended by itself', { output: ended.output });
    }
    process.kill(writer.pid, 'SIGKILL');
    const { signal, output } = await writer.ended;
    t.equal(signal, 'SIGKILL', `round ${round}`);
    for (const line of output.split('\n').slice(0, -1)) promised.add(line);
    const log = await openStory(folder, new StoryClock(), 20_000);
    const verified = await verify(folder);
    t.equal(verified.ok, true, `it verifies: ${verified.firstBad?.text ?? 'whole'}`);
    await log.close();
    const open = log.openIntents().map((intent) => intent.action_id);
    const intents = recordsIn(folder).filter(({ event }) => event === 'action.intent');
    const finished = new Set(recordsIn(folder).flatMap(({ event, action_id }) => (event === 'action.finished' ? [action_id] : [])));
    const recent = recordsIn(folder)
      .filter(({ event, action_id }) => event === 'action.intent' && !finished.has(action_id))
      .map(({ action_id }) => action_id);
    t.same(open, recent.slice(-open.length), 'the newest intents without an outcome are known');
    t.ok(open.length > 0);
    const written = new Set(intents.map(({ seq, action_id }) => `${seq} ${action_id}`));
    t.same(
      [...promised].filter((line) => !written.has(line)),
      [],
      'nothing that was promised is lost',
    );
  }
  t.ok(promised.size >= 6);
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
  t.match(await log.append(intent), { kind: 'appended', seq: written + 1 }, 'the number of the lost record is used');
  t.equal(log.failure(), undefined);
  t.match(await verify(folder), { ok: true, records: written + 1 });
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
  t.match(await log.append(intent), { kind: 'appended', seq: 9 });
  t.match(recordsIn(folder), [
    { seq: 8, event: 'audit.gap', text: /was removed/ },
    { seq: 9, event: 'action.intent' },
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
  t.match(await log.append(note), { kind: 'appended', seq: 1 });
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
