import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { listAuditFiles } from '../../../src/healer/audit/files.ts';
import { findIncident } from '../../../src/healer/audit/find-incident.ts';
import { updateIndex } from '../../../src/healer/audit/keep-index.ts';
import { findAuditFiles, readRecords, summarizeIncidents, type Selection } from '../../../src/healer/audit/query.ts';
import { buildReport } from '../../../src/healer/audit/report.ts';
import { append, crash, crashEvents, openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder(t);
const clock = new StoryClock('2026-11-20T12:00:00Z');
const log = await openStory(folder, clock, 4000);
const other = '01KANG0R0M7ZQ4T9Y2C5X0A1B2';
const late = '01KANR0R0M7ZQ4T9Y2C5X9Z9Z9';
const [opened, evidence, diagnosis, intent, finished, , recovered] = crashEvents(late, 'shop');
if (!opened || !evidence || !diagnosis || !intent || !finished || !recovered) throw new Error('the story has seven records');

await append(log, clock, crashEvents(other, 'shop'));
clock.now = Date.parse('2026-11-21T23:59:59Z');
await append(log, clock, crashEvents());
clock.now = Date.parse('2026-11-22T12:00:00Z');
const refused = { ...intent, event: 'action.refused' } as const;
await append(log, clock, [
  { ...opened, symptom: undefined },
  diagnosis,
  refused,
  refused,
  intent,
  { event: 'action.unknown', incident: late, service: 'shop', action: 'start', action_id: late, outcome: { result: 'unknown' } },
  { event: 'incident.gave_up', incident: late, service: 'shop' },
  { event: 'incident.closed', incident: late, service: 'shop', outcome: { result: 'not_recovered', duration_ms: 9 } },
]);
await log.close();
const files = await listAuditFiles(folder);
// What a reader meets in practice: a line of a later version, and one that is being written.
appendFileSync(files.at(-1)?.path ?? '', '{"v":2,"event":"something.new"}\n{"v":1,"se');

const records = async (selection: Selection) => {
  const found = [];
  for await (const one of readRecords(files, selection)) found.push(one);
  return found;
};

t.test('incidents are told in short, by their opening', async (t) => {
  t.ok(files.length > 3, `over ${files.length} files`);
  const { incidents, leftOut } = await summarizeIncidents(files, {});
  t.equal(leftOut, 0);
  t.match(incidents, [
    { id: other, code: 'X0A1B2', service: 'shop', cause: 'service.crashed', done: [{ what: 'start', times: 1 }], notDone: [], outcome: 'recovered', tookMs: 1800 },
    { id: crash.id, service: 'php-fpm', openedAtMs: Date.parse('2026-11-21T23:59:59Z'), outcome: 'recovered' },
    { id: late, service: 'shop', done: [{ what: 'start (unknown)', times: 1 }], notDone: ['no start: refused'], outcome: 'gave_up', tookMs: 1500 },
  ]);
  t.equal(incidents.length, 3);
});

t.test('a selection takes a time and a service; an incident over midnight keeps its beginning', async (t) => {
  const ids = async (selection: Selection) => (await summarizeIncidents(files, selection)).incidents.map(({ id }) => id);
  t.same(await ids({ sinceMs: Date.parse('2026-11-22T00:00:00Z') }), [crash.id, late]);
  t.same(await ids({ sinceMs: Date.parse('2026-11-22T00:00:00Z'), untilMs: Date.parse('2026-11-22T01:00:00Z') }), [crash.id]);
  t.same(await ids({ service: 'shop' }), [other, late]);
  t.same(await ids({ sinceMs: Date.parse('2027-01-01T00:00:00Z') }), []);
  const { incidents } = await summarizeIncidents(files, { sinceMs: Date.parse('2026-11-22T00:00:00Z') });
  t.equal(incidents[0]?.openedAtMs, Date.parse('2026-11-21T23:59:59Z'));
});

t.test('an incident in which the clock was set back is told of the time in which it was opened', async (t) => {
  const own = tempFolder(t);
  const clock = new StoryClock('2026-11-22T03:12:00Z');
  const log = await openStory(own, clock, 1000);
  const [opened, ...rest] = crashEvents();
  await append(log, clock, opened ? [opened] : []);
  clock.now -= 3_600_000;
  await append(log, clock, rest);
  await log.close();
  const of = async (since: string) => (await summarizeIncidents(await listAuditFiles(own), { sinceMs: Date.parse(since) })).incidents;
  t.match(await of('2026-11-22T03:00:00Z'), [{ id: crash.id, outcome: 'recovered' }]);
  await updateIndex(own);
  t.ok(readdirSync(own).some((name) => name.endsWith('.index')));
  t.match(await of('2026-11-22T03:00:00Z'), [{ id: crash.id, outcome: 'recovered' }], 'by its index');
  t.same(await of('2026-11-22T03:12:01Z'), []);
});

t.test('of an incident that lasted for days the whole is told, also where only its end is in the selected time', async (t) => {
  const own = tempFolder(t);
  const clock = new StoryClock('2026-11-20T22:00:00Z');
  const log = await openStory(own, clock, 3000);
  const [opened, evidence, diagnosis, intent, finished, , recovered] = crashEvents(late, 'shop');
  await append(
    log,
    clock,
    [opened, evidence, diagnosis, intent, finished].filter((one) => one !== undefined),
  );
  await append(log, clock, [{ event: 'incident.gave_up', incident: late, service: 'shop' }]);
  clock.now = Date.parse('2026-11-23T08:00:00Z');
  await append(log, clock, [...crashEvents(other), ...(recovered ? [recovered] : [])]);
  await log.close();
  const sinceMs = Date.parse('2026-11-23T00:00:00Z');
  const expected = [
    { id: late, openedAtMs: Date.parse('2026-11-20T22:00:00Z'), cause: 'service.crashed', done: [{ what: 'start', times: 1 }], outcome: 'recovered' },
    { id: other, openedAtMs: Date.parse('2026-11-23T08:00:00Z') },
  ];
  const of = async (selection: Parameters<typeof summarizeIncidents>[1]) => (await summarizeIncidents(await listAuditFiles(own), selection)).incidents;
  t.match(await of({ sinceMs }), expected);
  await updateIndex(own);
  t.match(await of({ sinceMs }), expected, 'by the index');
  t.match(await of({ sinceMs, cause: 'service.crashed', service: 'shop' }), expected.slice(0, 1));
  t.match(await of({ sinceMs, untilMs: Date.parse('2026-11-23T07:59:59Z') }), []);
  const report = await buildReport(readRecords(await listAuditFiles(own), { sinceMs: sinceMs - 86_400_000 }), { sinceMs });
  t.match(report.services, [{ service: 'php-fpm', incidents: 1 }], 'what was opened earlier is not counted by its end');
  t.equal(report.services.length, 1);
});

t.test('records come in the order of the chain, byte for byte', async (t) => {
  const all = await records({});
  t.same(
    all.map(({ record }) => record.seq),
    Array.from({ length: 26 }, (_, i) => i + 1),
  );
  t.same(
    all.map(({ line }) => JSON.parse(line).seq),
    all.map(({ record }) => record.seq),
  );
  t.same((await records({ sinceMs: Date.parse('2026-11-22T12:00:00Z'), service: 'shop' })).length, 8);
  t.same((await records({ untilMs: Date.parse('2026-11-20T12:00:00Z') })).length, 1, 'both ends count');
});

for (const [what, wanted, id, count] of [
  ['its id', crash.id, crash.id, 7],
  ['its id in small letters', crash.id.toLowerCase(), crash.id, 7],
  ['its code', 'X7K3FQ', crash.id, 7],
  ['its code in small letters', 'x7k3fq', crash.id, 7],
  ['a code that was read out with O for 0 and I for 1', 'xOaIb2', other, 7],
  ['the id of a request that met it, the newest of those that did', crash.requestId, crash.id, 7],
] as const) {
  t.test(`an incident is found by ${what}`, async (t) => {
    const story = await findIncident(files, wanted);
    t.equal(story?.id, id);
    t.equal(story?.records.length, count);
    t.same(
      story?.records.map(({ seq }) => seq),
      story?.records.map(({ seq }) => seq).toSorted((a, b) => a - b),
      'in order, over several files',
    );
    t.equal(story?.records[0]?.event, 'incident.opened');
  });
}

t.test('an incident is found by a request that met it later, told in an update', async (t) => {
  const own = tempFolder(t);
  const log = await openStory(own, new StoryClock());
  const met = (from: number) => ({ seen_by: 'traffic', kind: 'connection_refused', count: 20, text: 'more of the same', requests: Array.from({ length: 20 }, (_, i) => `req-${from + i}`) }) as const;
  await append(log, new StoryClock(), [
    { event: 'incident.opened', incident: crash.id, service: 'php-fpm', symptom: met(100) },
    { event: 'incident.updated', incident: crash.id, service: 'php-fpm', symptom: met(200) },
    { event: 'incident.opened', incident: other, service: 'shop', symptom: met(300) },
  ]);
  await log.close();
  const found = async (request: string) => (await findIncident(await listAuditFiles(own), request))?.id;
  t.same([await found('req-100'), await found('req-219'), await found('req-310')], [crash.id, crash.id, other]);
  t.same([await found('req-22'), await found('req-320')], [undefined, undefined], 'a part of an id is none');
});

t.test('what is no incident is not found', async (t) => {
  for (const wanted of ['ZZZZZZ', '', 'php-fpm', crash.actionId, '"']) t.equal(await findIncident(files, wanted), undefined, wanted);
});

t.test('of a very long incident the newest records are kept', async (t) => {
  const long = tempFolder(t);
  const many = await openStory(long, clock, 300_000);
  for (const event of crashEvents()) await many.append(event);
  for (let i = 0; i < 2500; i += 500) await Promise.all(Array.from({ length: 500 }, (_, k) => many.append({ event: 'incident.updated', incident: crash.id, service: 'php-fpm', text: `${i + k}` })));
  await many.close();
  const story = await findIncident(await listAuditFiles(long), crash.id);
  t.equal(story?.records.length, 2000);
  t.equal(story?.records.at(-1)?.text, '2499');
  t.equal(story?.leftOut, 507, 'of 2507');
  t.ok(readdirSync(long).length > 1);
});

t.test('where there is nothing to read, it is said in plain words', async (t) => {
  const empty = tempFolder(t);
  t.match(await findAuditFiles(empty), { kind: 'none', detail: /no audit log in .* yet/ });
  t.match(await findAuditFiles(join(empty, 'gone')), { kind: 'none', detail: /there is no folder/ });
  t.match(await findAuditFiles(files[0]?.path ?? ''), { kind: 'none', detail: /is no folder/ });
  t.match(await findAuditFiles(folder), { kind: 'found' });
});
