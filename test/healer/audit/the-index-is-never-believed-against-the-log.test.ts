/** What is asked of the log has the same answer with an index, without one, and with a wrong one. */
import { appendFileSync, chmodSync, cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { systemClock } from '../../../src/core/time.ts';
import { listAuditFiles, type AuditFile } from '../../../src/healer/audit/files.ts';
import { findIncident } from '../../../src/healer/audit/find-incident.ts';
import { decodeLine, encodeLine } from '../../../src/healer/audit/index-block.ts';
import { indexPath, readIndex } from '../../../src/healer/audit/index-file.ts';
import { keepIndex, updateIndex } from '../../../src/healer/audit/keep-index.ts';
import { openAuditLog } from '../../../src/healer/audit/log.ts';
import { readRecords, summarizeIncidents, type Selection } from '../../../src/healer/audit/query.ts';
import { appendOfLater } from '../../fixtures/audit/later-version.ts';
import { append, crash, crashEvents, openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';

const other = '01KANG0R0M7ZQ4T9Y2C5X0A1B2';
const long = '01KANR0R0M7ZQ4T9Y2C5X9Z9Z9';
const original = tempFolder(t);
const clock = new StoryClock('2026-11-20T12:00:00Z');
// Small files first, so that one incident stands in several; then one that is larger than a block.
const small = await openStory(original, clock, 4000);
await append(small, clock, crashEvents(other, 'shop'));
clock.now = Date.parse('2026-11-21T23:59:59Z');
await append(small, clock, crashEvents());
await append(small, clock, [{ event: 'pause.set', actor: { by: 'maria (uid 1000)' }, service: 'shop', pause: { until: '2026-11-22T01:00:00.000Z', reason: 'deploy' } }]);
await small.close();
clock.now = Date.parse('2026-11-22T12:00:00Z');
const large = await openStory(original, clock);
const [opened, , diagnosis, intent, finished, , recovered] = crashEvents(long, 'shop');
if (!opened || !diagnosis || !intent || !finished || !recovered) throw new Error('the story has seven records');
await append(large, clock, [opened, diagnosis, { ...intent, event: 'action.refused' }, { ...intent, event: 'action.refused' }, { ...intent, event: 'action.refused', action: 'stop' }, intent]);
await Promise.all(
  Array.from({ length: 600 }, (_, i) =>
    large.append({ event: 'incident.updated', incident: long, service: 'shop', symptom: { seen_by: 'traffic', kind: 'connection_refused', count: i, text: 'x'.repeat(300), requests: [`req-${i}`] } }),
  ),
);
await append(large, clock, [{ ...finished, outcome: { result: 'failed' } }, recovered]);
await large.close();
// Whatever the writer has made of finished files: here they are plain, and may be changed.
for (const { path } of await listAuditFiles(original)) {
  const plain = path.replace(/\.gz$/, '');
  const bytes = readFileSync(path);
  rmSync(path);
  writeFileSync(plain, plain === path ? bytes : gunzipSync(bytes));
}

const selections: readonly Selection[] = [
  {},
  { sinceMs: Date.parse('2026-11-21T23:59:59.500Z') },
  { sinceMs: Date.parse('2026-11-22T00:00:00Z'), untilMs: Date.parse('2026-11-22T12:00:00.600Z') },
  { untilMs: Date.parse('2026-11-21T23:59:59.700Z') },
  { service: 'shop' },
  { kind: 'acts' },
  { kind: 'notable', sinceMs: Date.parse('2026-11-21T00:00:00Z') },
  { incidents: new Set([crash.id]) },
];
const wanted = [crash.id, 'X7K3FQ', crash.requestId, other, long, 'req-3', 'req-599', 'ZZZZZZ', 'req-600', ''];

/** Everything that can be asked. */
async function answers(folder: string, useIndex?: false): Promise<unknown> {
  const files = await listAuditFiles(folder);
  const of = async (selection: Selection) => {
    const lines: string[] = [];
    for await (const { line } of readRecords(files, { ...selection, useIndex })) lines.push(line);
    return { lines, ...(await summarizeIncidents(files, { ...selection, useIndex })) };
  };
  const stories = await Promise.all(
    wanted.map(async (each) => {
      const found = await findIncident(files, each, { useIndex });
      return found && { id: found.id, records: found.records, leftOut: found.leftOut };
    }),
  );
  return { selected: await Promise.all(selections.map(of)), stories, crashed: await summarizeIncidents(files, { cause: 'service.crashed', useIndex }) };
}

const truth = await answers(original, false);

/** A copy with its index. */
async function copy(): Promise<{ readonly folder: string; readonly files: readonly AuditFile[]; readonly newest: AuditFile; readonly oldest: AuditFile }> {
  const folder = tempFolder(t);
  cpSync(original, folder, { recursive: true });
  await updateIndex(folder);
  const files = await listAuditFiles(folder);
  return { folder, files, newest: files.at(-1)!, oldest: files[0]! };
}

t.test('with an index the answers are those of the log', async (t) => {
  const { folder, files, newest } = await copy();
  for (const file of files.slice(0, -1)) t.equal((await readIndex(file)).isStamped, true, file.name);
  const { to, isStamped } = await readIndex(newest);
  t.ok(to > 200_000 && to < statSync(newest.path).size && !isStamped, 'of the newest file whole blocks only');
  t.same(await answers(folder), truth);
});

const damages: Readonly<Record<string, (place: Awaited<ReturnType<typeof copy>>) => void>> = {
  'is missing': ({ files }) => files.forEach((file) => unlinkSync(indexPath(file))),
  'has another digit in a line': ({ files }) => files.forEach((file) => writeFileSync(indexPath(file), readFileSync(indexPath(file), 'utf8').replace('"records":', '"records":1'))),
  'was cut off in the middle of a line, as by kill -9': ({ files }) => files.forEach((file) => truncateSync(indexPath(file), statSync(indexPath(file)).size - 40)),
  "is another file's": ({ files }) => files.forEach((file, i) => cpSync(indexPath(files[(i + 1) % files.length]!), indexPath(file))),
  'is no index': ({ files }) => files.forEach((file) => writeFileSync(indexPath(file), 'PK\u0003\u0004\n\n')),
  'has lines twice': ({ newest }) => appendFileSync(indexPath(newest), readFileSync(indexPath(newest))),
};
for (const [what, damage] of Object.entries(damages)) {
  t.test(`an index that ${what} changes no answer, and is made good again`, async (t) => {
    const place = await copy();
    const whole = place.files.map((file) => readFileSync(indexPath(file), 'utf8'));
    damage(place);
    t.same(await answers(place.folder), truth);
    await updateIndex(place.folder);
    t.same(
      place.files.map((file) => readFileSync(indexPath(file), 'utf8')),
      whole,
    );
  });
}

/** The same length, in place: what only the bytes can show, or the time of the change. */
function edit(file: AuditFile, from: string, to: string): void {
  const text = readFileSync(file.path, 'utf8');
  if (!text.includes(from) || from.length !== to.length) throw new Error(`nothing to change in ${file.name}`);
  writeFileSync(file.path, text.replace(from, to));
}

t.test('a log that was changed behind its index is told as it is now', async (t) => {
  const { folder, files, newest, oldest } = await copy();
  edit(oldest, '"service":"shop"', '"service":"shoq"');
  edit(newest, '"action":"stop"', '"action":"page"');
  t.equal((await readIndex(oldest)).isStamped, false);
  t.equal((await readIndex(newest)).blocks.length, 0);
  const now = await answers(folder);
  t.same(now, await answers(folder, false));
  const { incidents } = await summarizeIncidents(files, {});
  t.match(incidents, [{ id: other, service: 'shoq' }, {}, { notDone: ['no start: refused', 'no page: refused'] }]);
  await updateIndex(folder);
  t.equal((await readIndex(oldest)).isStamped, true, 'the index follows the log');
  t.same(await answers(folder), now);
});

t.test('a finished file that only its rights changed is indexed as before, and known again', async (t) => {
  const { folder, oldest } = await copy();
  chmodSync(oldest.path, 0o440);
  t.match(await readIndex(oldest), { isStamped: false, blocks: { length: 1 } });
  await updateIndex(folder);
  t.match(await readIndex(oldest), { isStamped: true, blocks: { length: 1 } });
});

t.test('a log that was cut, or lost a file, is told as it is now', async (t) => {
  const { folder, newest, files } = await copy();
  truncateSync(newest.path, 100_000);
  rmSync(files[1]!.path);
  t.same(await answers(folder), await answers(folder, false));
  await updateIndex(folder);
  t.notOk(existsSync(indexPath(files[1]!)), 'the index of a file that is gone goes too');
  t.equal(existsSync(indexPath(newest)), false, 'of what is left no whole block');
});

/** An index line as somebody would forge it: with its checksum. */
function forge(file: AuditFile, change: (block: { incidents: Record<string, { records: number; spans: number[] }> }) => void): void {
  const lines = readFileSync(indexPath(file), 'utf8').trimEnd().split('\n');
  const forged = lines.map((line) => {
    const { v: _version, ...value } = structuredClone(decodeLine(Buffer.from(line))) as { v: number; incidents: Record<string, { records: number; spans: number[] }> };
    if ('incidents' in value) change(value);
    return encodeLine(value);
  });
  writeFileSync(indexPath(file), forged.join(''));
}

t.test('why reads the log itself where a forged index keeps back records, and where it keeps back the incident', async (t) => {
  const { files } = await copy();
  for (const file of files) {
    forge(file, ({ incidents }) => {
      delete incidents[other];
      const part = incidents[crash.id];
      if (part) part.spans = part.spans.slice(0, 2).map((at) => at + 5);
    });
  }
  t.match(await findIncident(files, other), { id: other, records: { length: 7 } });
  t.match(await findIncident(files, crash.id), { isIndexWrong: true, records: { length: 7 } });
  t.match(await findIncident(files, long), { isIndexWrong: false });
});

t.test('the index of a file holds when the file is compressed, and not when the file is another one', async (t) => {
  const { files, oldest } = await copy();
  const packed = files.map((file) => ({ ...file, path: `${file.path}.gz` }));
  for (const file of files) writeFileSync(`${file.path}.gz`, gzipSync(readFileSync(file.path)));
  t.equal((await readIndex(packed[0]!)).isStamped, true);
  const told = async (of: readonly AuditFile[]) => {
    const lines: string[] = [];
    for await (const { line } of readRecords(of, { kind: 'acts' })) lines.push(line);
    return { lines, ...(await summarizeIncidents(of, {})), story: (await findIncident(of, long))?.records };
  };
  const plain = await told(files);
  t.same(await told(packed), plain);
  writeFileSync(`${oldest.path}.gz`, gzipSync(readFileSync(oldest.path, 'utf8').replace('"service":"shop"', '"service":"shoq"')));
  t.equal((await readIndex(packed[0]!)).blocks.length, 0);
  t.match((await summarizeIncidents(packed, {})).incidents[0], { service: 'shoq' });
});

t.test('a file that is compressed between the listing and the reading is read', async (t) => {
  const { files } = await copy();
  for (const file of files) {
    writeFileSync(`${file.path}.gz`, gzipSync(readFileSync(file.path)));
    unlinkSync(file.path);
  }
  t.match(await findIncident(files, crash.id), { records: { length: 7 }, isIndexWrong: false });
  t.equal((await summarizeIncidents(files, {})).incidents.length, 3);
  for (const file of files) unlinkSync(indexPath(file));
  t.match(await findIncident(files, crash.id), { records: { length: 7 } }, 'without an index, too');
});

t.test('the healer keeps the index while it writes, and goes on with it after a restart', async (t) => {
  const folder = join(tempFolder(t), 'log');
  const trouble: string[] = [];
  let sealed = 0;
  const run = async (from: number) => {
    const index = keepIndex({ folder, onTrouble: (text) => trouble.push(text) });
    const onSealed = (): void => {
      sealed += 1;
      index.begin();
    };
    const log = await openAuditLog({ folder, host: 'web1', agent: 'goodgateway test', clock: systemClock, bootId: 'b', rotateBytes: 700_000, onAppended: index.appended, onSealed });
    index.begin();
    for (let i = from; i < from + 1800; i += 300)
      await Promise.all(Array.from({ length: 300 }, (_, k) => log.append({ event: 'incident.updated', incident: crash.id, text: `${i + k} ${'x'.repeat(400)}` })));
    await until(
      async () => {
        const believed = await Promise.all((await listAuditFiles(folder)).map(readIndex));
        return believed.slice(0, -1).every(({ isStamped }) => isStamped);
      },
      { timeoutMs: 20_000, what: 'every finished file to be stamped' },
    );
    await log.close();
    await index.close();
  };
  await run(0);
  await run(1800);
  t.ok((await listAuditFiles(folder)).length >= 3);
  t.match(await findIncident(await listAuditFiles(folder), crash.id), { isIndexWrong: false, records: { length: 2000 }, leftOut: Number });
  t.ok(sealed > 0, 'it is told of each file that was made read-only: such a one looks otherwise than when it was stamped');
  t.same(trouble, []);
});

t.test('an index that cannot be kept is told once, and is no other trouble', async (t) => {
  const trouble: string[] = [];
  const index = keepIndex({ folder: join(tempFolder(t), 'gone'), onTrouble: (text) => trouble.push(text) });
  index.begin();
  await until(() => trouble.length > 0, { timeoutMs: 15_000, what: 'the trouble to be told' });
  index.appended({ file: 'a', offset: 0 });
  index.appended({ file: 'b', offset: 0 });
  await index.close();
  t.match(trouble, [/^the index of the audit log cannot be kept, so questions take longer: ENOENT/]);
  t.equal(
    readdirSync(original).some((name) => name.endsWith('.index')),
    false,
  );
});

t.test('records of a later version are told of with an index as without one, and are no reason to mistrust it', async (t) => {
  const { folder, files, oldest } = await copy();
  const own = { service: 'shop', incident: other };
  const seq = appendOfLater(oldest.path, { ...own, event: 'action.rewound' });
  await updateIndex(folder);
  t.equal((await readIndex(oldest)).isStamped, true);
  const told = async (ask: (files: readonly AuditFile[]) => Promise<unknown>) => {
    const seen: number[] = [];
    await ask(files.map((file) => ({ ...file, onStrange: (record) => void seen.push(record.seq) })));
    return [...new Set(seen)];
  };
  const read = async (some: readonly AuditFile[], selection: Selection) => {
    const lines: string[] = [];
    for await (const { line } of readRecords(some, selection)) lines.push(line);
    return lines;
  };
  for (const useIndex of [true, false]) {
    for (const selection of [{}, { kind: 'acts' }, { kind: 'notable' }, { service: 'shop' }, { incidents: new Set([other]) }] as const)
      t.same(await told((some) => read(some, { ...selection, useIndex })), [seq]);
    for (const selection of [{ service: 'php-fpm' }, { incidents: new Set([crash.id]) }, { untilMs: Date.parse('2026-11-21T00:00:00Z') }] as const)
      t.same(await told((some) => read(some, { ...selection, useIndex })), []);
    t.same(await told((some) => summarizeIncidents(some, { useIndex })), [seq]);
    t.same(
      await told(async (some) => {
        t.match(await findIncident(some, other, { useIndex }), { isIndexWrong: false, notUnderstood: 1 });
      }),
      [seq],
    );
    t.match(await findIncident(files, crash.id, { useIndex }), { isIndexWrong: false, notUnderstood: 0 });
  }
});

t.test('an index of a version with other words is not believed: its records are not those of this one', async (t) => {
  const { folder, files } = await copy();
  for (const file of files) {
    const lines = readFileSync(indexPath(file), 'utf8').split('\n').slice(0, -1);
    const others = lines.map((line) => line.slice(9).replace(/"words":\d+/, '"words":1'));
    writeFileSync(indexPath(file), others.map((json) => `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`).join(''));
    t.match(await readIndex(file), { blocks: { length: 0 }, isStamped: false });
  }
  t.same(await answers(folder), truth);
  await updateIndex(folder);
  t.ok((await readIndex(files[0]!)).isStamped, 'and made anew');
});
