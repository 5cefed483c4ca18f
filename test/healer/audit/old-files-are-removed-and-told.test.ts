import { mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { listAuditFiles } from '../../../src/healer/audit/files.ts';
import { readIndex } from '../../../src/healer/audit/index-file.ts';
import { updateIndex } from '../../../src/healer/audit/keep-index.ts';
import { openAuditLog, type AuditLog } from '../../../src/healer/audit/log.ts';
import { readRecords, summarizeIncidents } from '../../../src/healer/audit/query.ts';
import type { AuditRecord } from '../../../src/healer/audit/record.ts';
import type { Keeping } from '../../../src/healer/audit/retire.ts';
import { verifyAuditFolder } from '../../../src/healer/audit/verify-audit-folder.ts';
import { recordsIn } from '../../fixtures/audit/records-in.ts';
import { append, crashEvents, openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';

const dayMs = 86_400_000;
const name = (day: number) => `audit-202611${String(day).padStart(2, '0')}-01.jsonl`;
const namesIn = (folder: string) => readdirSync(folder).toSorted();
const verify = async (folder: string) => verifyAuditFolder(await listAuditFiles(folder));

const soon = (what: string, condition: () => boolean | Promise<boolean>) => until(condition, { timeoutMs: 10_000, what });

/** What tells of a removal, or why there was none. */
async function removalsIn(folder: string): Promise<readonly AuditRecord[]> {
  return (await recordsIn(folder)).filter(({ event, sealed }) => event === 'audit.rotated' && !sealed);
}
const removedFrom = async (folder: string) => (await removalsIn(folder)).map(({ removed }) => removed?.file.replace('.gz', ''));

/** One file with seven records (and, from the second on, the one that seals the file before) for each of so many days from 2026-11-01 on. */
async function days(t: TestScope, count: number): Promise<{ folder: string; clock: StoryClock }> {
  const folder = tempFolder(t);
  const clock = new StoryClock('2026-11-01T12:00:00.000Z');
  const log = await openStory(folder, clock);
  for (let day = 1; day <= count; day++) {
    clock.now = Date.parse('2026-11-01T12:00:00.000Z') + (day - 1) * dayMs;
    await append(log, clock, crashEvents());
  }
  await untilTidy(folder);
  await log.close();
  return { folder, clock };
}

/** Everything but the newest two is compressed: what comes after that in the housekeeping is quick, and comes before {@link AuditLog.close} returns. */
const untilTidy = (folder: string) =>
  soon(`${folder} is tidy`, async () => (await listAuditFiles(folder)).slice(0, -2).every((file) => file.name.endsWith('.gz')) && !namesIn(folder).some((each) => each.endsWith('.part.gz')));

async function openKeeping(t: TestScope, folder: string, clock: StoryClock, keeping: Keeping): Promise<AuditLog> {
  const log = await openAuditLog({ folder, host: 'web1', agent: 'goodgateway test', clock, bootId: 'boot-1', ...keeping });
  t.teardown(() => log.close());
  return log;
}

t.test('at opening, files whose day is over for longer than they are kept are removed, each told with its last hash', async (t) => {
  const { folder, clock } = await days(t, 6);
  writeFileSync(join(folder, `${name(1)}.torn`), 'half a line');
  writeFileSync(join(folder, `${name(2)}.part.gz`), 'what a crash left');
  writeFileSync(join(folder, 'notes.txt'), 'none of ours');
  const noted = await verifyAuditFolder((await listAuditFiles(folder)).slice(0, 2));
  await openKeeping(t, folder, clock, { keepMs: 3 * dayMs });
  await soon('two files are gone', () => !namesIn(folder).some((each) => each.startsWith(name(1)) || each.startsWith(name(2))));
  t.same(namesIn(folder), [`${name(3)}.gz`, `${name(4)}.gz`, name(5), name(6), 'notes.txt'], 'the day before the limit is not over for so long');
  t.match(await removalsIn(folder), [
    { removed: { file: `${name(1)}.gz`, last_seq: 7, sha256: /^[0-9a-f]{64}$/ }, text: /is older than 3 days and is removed/ },
    { removed: { file: `${name(2)}.gz`, last_seq: 15, sha256: noted.head?.hash } },
  ]);
  t.match(await verify(folder), { ok: true, firstSeq: 16, removedBy: 49, records: 34 }, 'the chain goes on, and says who removed what was before it');
});

t.test('while all of them take more than is allowed, the oldest are removed', async (t) => {
  const { folder, clock } = await days(t, 6);
  const sizes = (await listAuditFiles(folder)).map(({ path }) => statSync(path).size);
  const keepBytes = sizes.slice(2).reduce((sum, size) => sum + size, 0) + 1;
  await openKeeping(t, folder, clock, { keepMs: 300 * dayMs, keepBytes });
  await soon('two files are gone', async () => (await listAuditFiles(folder)).length === 4);
  t.match(await removalsIn(folder), [{ removed: { file: `${name(1)}.gz` }, text: /is the oldest, the log takes more than \d+ bytes and is removed/ }, { removed: { file: `${name(2)}.gz` } }]);
  t.match(await verify(folder), { ok: true, firstSeq: 16, removedBy: 49 });
});

t.test('the newest two files stay, however much they are', async (t) => {
  const { folder, clock } = await days(t, 3);
  await openKeeping(t, folder, clock, { keepBytes: 1 });
  await soon('one file is gone', async () => (await listAuditFiles(folder)).length === 2);
  t.same(namesIn(folder), [name(2), name(3)]);
});

t.test('with each new day, what has become too old is removed, and nothing twice', async (t) => {
  const { folder, clock } = await days(t, 5);
  const log = await openKeeping(t, folder, clock, { keepMs: 4 * dayMs });
  for (const day of [1, 2]) {
    clock.now += dayMs;
    await Promise.all([log.append({ event: 'agent.started' }), log.append({ event: 'agent.started' })]);
    await soon(`day ${day} is gone`, () => !namesIn(folder).includes(`${name(day)}.gz`));
  }
  await log.close();
  t.same(await removedFrom(folder), [name(1), name(2)]);
  t.match(await verify(folder), { ok: true, firstSeq: 16 });
});

t.test('a clock that leaps ahead removes none that were young, until the log has gone on there for a day', async (t) => {
  const { folder, clock } = await days(t, 5);
  clock.now += 3650 * dayMs;
  const log = await openKeeping(t, folder, clock, { keepMs: 4 * dayMs });
  await log.append({ event: 'agent.started' });
  await untilTidy(folder);
  await soon('two files are gone', async () => (await listAuditFiles(folder)).length === 4);
  t.same(await removedFrom(folder), [name(1), name(2)], 'the third would go if the clock counted');
  clock.now += dayMs;
  await log.append({ event: 'agent.started' });
  await soon('the others are gone', async () => (await listAuditFiles(folder)).length === 2);
});

t.test('a log that keeps everything removes nothing; removed files without a record are told as such', async (t) => {
  const { folder, clock } = await days(t, 4);
  clock.now += 3650 * dayMs;
  const log = await openStory(folder, clock);
  await log.close();
  t.equal(namesIn(folder).length, 4);
  rmSync(join(folder, `${name(1)}.gz`));
  t.match(await verify(folder), { ok: true, firstSeq: 8, removedBy: undefined });
});

t.test('a file that cannot be removed is told, and the log goes on', async (t) => {
  const { folder, clock } = await days(t, 4);
  mkdirSync(join(folder, `${name(1)}.torn`));
  const log = await openKeeping(t, folder, clock, { keepMs: dayMs });
  await soon('it is told', async () => (await removalsIn(folder)).length === 2);
  t.match(
    (await removalsIn(folder)).map(({ text }) => text),
    [/is older than 1 day and/, /could not be removed: /],
  );
  t.match(await log.append({ event: 'agent.started' }), { kind: 'appended' });
  t.equal(namesIn(folder).includes(`${name(1)}.gz`), true);
  t.match(await verify(folder), { ok: true, firstSeq: 1 });
});

t.test('a compressed file that is damaged keeps neither itself nor others from being removed, nor from being read', async (t) => {
  const { folder, clock } = await days(t, 8);
  const [first = '', second = ''] = (await listAuditFiles(folder)).map(({ path }) => path);
  truncateSync(first, 60);
  writeFileSync(second, 'no gzip');
  const told: string[] = [];
  const files = (await listAuditFiles(folder)).map((file) => ({ ...file, onDamaged: (problem: string) => void told.push(`${file.name}: ${problem}`) }));
  const seen = [];
  for await (const { record } of readRecords(files, {})) seen.push(record.seq);
  t.ok(seen.includes(7 + 8 + 8 + 1), 'the third day');
  t.equal(told.length, 2);
  await t.rejects(summarizeIncidents(await listAuditFiles(folder), {}), 'without somebody to tell it is an error');
  await updateIndex(folder);
  t.match(await readIndex(files[4]!), { isStamped: true }, 'the index goes on behind it');
  const log = await openAuditLog({ folder, host: 'web1', agent: 'goodgateway test', clock, bootId: 'boot-2', keepMs: 4 * dayMs });
  await soon('three files are removed', async () => (await removedFrom(folder)).length === 3);
  await log.close();
  t.same(await removedFrom(folder), [name(1), name(2), name(3)]);
  t.match(await verify(folder), { ok: true, removedBy: Number });
});
