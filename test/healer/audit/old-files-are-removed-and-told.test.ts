import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { listAuditFiles } from '../../../src/healer/audit/files.ts';
import { openAuditLog, type AuditLog } from '../../../src/healer/audit/log.ts';
import { auditRecordSchema } from '../../../src/healer/audit/record.ts';
import { verifyAuditFolder } from '../../../src/healer/audit/verify-audit-folder.ts';
import { append, crashEvents, openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';

const dayMs = 86_400_000;
const name = (day: number) => `audit-202611${String(day).padStart(2, '0')}-01.jsonl`;
const namesIn = (folder: string) => readdirSync(folder).toSorted();
const verify = async (folder: string) => verifyAuditFolder(await listAuditFiles(folder));
const removalsIn = (folder: string) =>
  namesIn(folder)
    .filter((each) => each.endsWith('.jsonl'))
    .flatMap((each) => readFileSync(join(folder, each), 'utf8').split('\n').slice(0, -1))
    .map((line) => auditRecordSchema.parse(JSON.parse(line)))
    .filter(({ event }) => event === 'audit.rotated');

/** One file with seven records for each of so many days from 2026-11-01 on; the clock stands on the last one. */
async function days(t: TestScope, count: number): Promise<{ folder: string; clock: StoryClock }> {
  const folder = tempFolder(t);
  const clock = new StoryClock('2026-11-01T12:00:00.000Z');
  const log = await openStory(folder, clock);
  for (let day = 1; day <= count; day++) {
    clock.now = Date.parse('2026-11-01T12:00:00.000Z') + (day - 1) * dayMs;
    await append(log, clock, crashEvents());
  }
  await log.close();
  return { folder, clock };
}

async function openKeeping(t: TestScope, folder: string, clock: StoryClock, keepMs: number): Promise<AuditLog> {
  const log = await openAuditLog({ folder, host: 'web1', agent: 'goodgateway test', clock, bootId: 'boot-1', keepMs });
  t.teardown(() => log.close());
  return log;
}

t.test('at opening, files whose day is over for longer than they are kept are removed, each told with its last hash', async (t) => {
  const { folder, clock } = await days(t, 6);
  writeFileSync(join(folder, `${name(1)}.torn`), 'half a line');
  writeFileSync(join(folder, 'notes.txt'), 'none of ours');
  const noted = await verifyAuditFolder((await listAuditFiles(folder)).slice(0, 2));
  const log = await openKeeping(t, folder, clock, 3 * dayMs);
  t.equal(log.failure(), undefined);
  t.same(namesIn(folder), [name(3), name(4), name(5), name(6), 'notes.txt'], 'the day before the limit is not over for so long');
  t.match(removalsIn(folder), [
    { removed: { file: name(1), last_seq: 7, sha256: /^[0-9a-f]{64}$/ }, text: /is older than 3 days and is removed/ },
    { removed: { file: name(2), last_seq: 14, sha256: noted.head?.hash } },
  ]);
  t.match(await verify(folder), { ok: true, firstSeq: 15, removedBy: 44, records: 30 }, 'the chain goes on, and says who removed what was before it');
});

t.test('once a day, appending removes what has become too old, and nothing twice', async (t) => {
  const { folder, clock } = await days(t, 5);
  const log = await openKeeping(t, folder, clock, 4 * dayMs);
  t.equal(removalsIn(folder).length, 0);
  clock.now += dayMs;
  await Promise.all([log.append({ event: 'agent.started' }), log.append({ event: 'agent.started' })]);
  await log.append({ event: 'agent.started' });
  t.same(
    removalsIn(folder).map(({ removed }) => removed?.file),
    [name(1)],
  );
  await log.append({ event: 'agent.started' });
  clock.now += dayMs;
  await log.append({ event: 'agent.started' });
  await log.close();
  t.same(
    removalsIn(folder).map(({ removed }) => removed?.file),
    [name(1), name(2)],
  );
  t.match(await verify(folder), { ok: true, firstSeq: 15 });
});

t.test('the newest two files stay, however old; a clock that leaps ahead removes none that are young', async (t) => {
  const { folder, clock } = await days(t, 3);
  clock.now += 3650 * dayMs;
  await openKeeping(t, folder, clock, 3 * dayMs);
  t.same(namesIn(folder).slice(0, 3), [name(1), name(2), name(3)], 'on the day of the newest file, the others were young');
  const second = await days(t, 3);
  await openKeeping(t, second.folder, second.clock, 1);
  t.same(namesIn(second.folder), [name(2), name(3)]);
});

t.test('a log that keeps everything removes nothing; removed files without a record are told as such', async (t) => {
  const { folder, clock } = await days(t, 4);
  clock.now += 3650 * dayMs;
  const log = await openStory(folder, clock);
  await log.close();
  t.equal(namesIn(folder).length, 4);
  rmSync(join(folder, name(1)));
  t.match(await verify(folder), { ok: true, firstSeq: 8, removedBy: undefined });
});

t.test('a file that cannot be removed is told, and the log goes on', async (t) => {
  const { folder, clock } = await days(t, 4);
  mkdirSync(join(folder, `${name(1)}.torn`));
  const log = await openKeeping(t, folder, clock, dayMs);
  t.match(
    removalsIn(folder).map(({ text }) => text),
    [/is older than 1 day and/, /could not be removed: /],
  );
  t.match(await log.append({ event: 'agent.started' }), { kind: 'appended' });
  t.equal(namesIn(folder).includes(name(1)), true);
  t.match(await verify(folder), { ok: true, firstSeq: 1 });
});

t.test('a long backlog is removed in parts', async (t) => {
  const folder = tempFolder(t);
  const clock = new StoryClock('2026-11-01T12:00:00.000Z');
  const small = await openStory(folder, clock, 1);
  for (let i = 0; i < 60; i++) await small.append({ event: 'agent.started' });
  clock.now += 5 * dayMs;
  await small.append({ event: 'agent.started' });
  await small.close();
  const log = await openKeeping(t, folder, clock, dayMs);
  t.equal(removalsIn(folder).length, 50);
  await log.append({ event: 'agent.started' });
  await log.append({ event: 'agent.started' });
  t.match(await verify(folder), { ok: true, firstSeq: 60 });
});
