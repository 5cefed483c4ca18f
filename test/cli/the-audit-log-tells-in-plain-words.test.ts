import { join } from 'node:path';
import t from 'tap';
import { headingOf } from '../../src/core/story-words.ts';
import { actionNames } from '../../src/core/decision.ts';
import { auditEventNames } from '../../src/healer/audit/event-names.ts';
import type { AuditRecord } from '../../src/healer/audit/record.ts';
import { append, openStory, StoryClock } from '../fixtures/audit/story.ts';
import { finish } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';

const commands = join(import.meta.dirname, '../../src/cli/main.ts');
const run = async (...argv: readonly string[]) => finish([process.execPath, commands, ...argv], { environment: { TZ: 'UTC' } });
/** As it would stand on one line. */
const words = (output: string) => output.replaceAll(/\s+/g, ' ');

t.test('why and log: what failed is not called done, who was told, and no technical names', async (t) => {
  const own = join(tempFolder(t), 'log');
  const clock = new StoryClock();
  const hard = await openStory(own, clock);
  const id = '01KANN0R0M7ZQ4T9Y2C5XHARD1';
  const of = { incident: id, service: 'shop' } as const;
  let acts = 0;
  const act = async (action: 'start' | 'page' | 'switch_upstream' | 'terminate_orphans', result: 'done' | 'failed') => {
    acts += 1;
    const base = { ...of, action, action_id: `01KANN0R0M7ZQ4T9Y2C5XACT0${acts}` } as const;
    await append(hard, clock, [
      { ...base, event: 'action.intent', rule: 'Crashed' },
      { ...base, event: 'action.finished', outcome: { result, detail: 'so it was', duration_ms: 5 }, text: 'so it was' },
    ]);
  };
  const fault = 'shop is not running: it ended with status 1';
  await append(hard, clock, [
    { ...of, event: 'incident.opened', symptom: { seen_by: 'traffic', kind: 'connection_refused', count: 1, text: '1 failed requests in 10 s' } },
    { ...of, event: 'diagnosis.made', cause: 'service.crashed', confidence: 'likely', text: fault },
    {
      ...of,
      event: 'action.refused',
      action: 'start',
      gates: [
        { gate: 'enabled', verdict: 'pass', reason: 'on' },
        { gate: 'cooldown', verdict: 'refuse', reason: 'too early' },
        { gate: 'fence', verdict: 'not_evaluated', reason: 'later' },
      ],
    },
  ]);
  await act('start', 'failed');
  await act('start', 'failed');
  await act('page', 'done');
  await append(hard, clock, [
    { ...of, event: 'diagnosis.changed', cause: 'service.orphaned_workers', confidence: 'certain', text: 'Old workers hold the port' },
    { ...of, event: 'undo.done', text: 'the gateways use the first address again' },
    { ...of, event: 'incident.recovered', outcome: { result: 'recovered', duration_ms: 9000 }, text: `${fault}. Done: start.` },
  ]);
  const failedOnly = (await run('why', 'XHARD1', '--folder', own)).output;
  t.match(failedOnly, /Tried to start: failed\n/);
  t.match(failedOnly, /Told somebody\n/);
  t.match(failedOnly, / 1 failed request in 10 s\.\n/);
  t.match(failedOnly, /Did not start\n +gate: +cooldown refused: too early\n +gate: +fence not asked: later\n +gates: +1 gate passed\n/);
  t.match(failedOnly, /Cause now: service\.orphaned_workers \(certain\)\n/);
  t.match(failedOnly, /Put back\n +the gateways use the first address again\.\n/);
  t.match(
    words(failedOnly),
    /Recovered after 9 s shop is well again\. Tried, and failed: 2 × start\. It came back without a repair by goodgateway\. Somebody was told\. $/,
    'nor is the fault said once more, as if it lasted',
  );
  t.match((await run('log', '--folder', own)).output, /\t2 × start failed, told\trecovered\t9 s\n$/);
  await act('terminate_orphans', 'done');
  await act('switch_upstream', 'done');
  await append(hard, clock, [{ ...of, event: 'incident.recovered', outcome: { result: 'recovered', duration_ms: 9500 } }]);
  const { output } = await run('why', 'XHARD1', '--folder', own);
  t.match(output, /Ended orphaned workers\n/);
  t.match(output, /Switched the upstream\n/);
  t.match(words(output), /shop is well again\. Done: ended orphaned workers, switched the upstream\. Tried, and failed: 2 × start\./);
  t.notMatch(output, /^ +\+[^\n]*  [A-Za-z]+[._][a-z]/m, 'no heading is the name of an event or an action');
  await hard.close();
});

t.test('log: a refusal is shown where nothing else was done but telling people', async (t) => {
  const own = join(tempFolder(t), 'log');
  const clock = new StoryClock();
  const quiet = await openStory(own, clock);
  const base = { incident: '01KANN0R0M7ZQ4T9Y2C5XQ1ET1', service: 'shop', action: 'page', action_id: '01KANN0R0M7ZQ4T9Y2C5XACT01' } as const;
  await append(quiet, clock, [
    { ...base, event: 'action.refused', action: 'restart' },
    { ...base, event: 'action.intent' },
    { ...base, event: 'action.finished', outcome: { result: 'done' } },
  ]);
  await quiet.close();
  t.match((await run('log', '--folder', own)).output, /\tno restart: refused, told\topen\t\n$/);
});

t.test('every event and every action has its plain words', async (t) => {
  const record: AuditRecord = { v: 1, seq: 1, ts: '2026-11-22T03:12:05.000Z', mono_ms: 0, boot: 'b', host: 'h', agent: 'a', event: 'agent.started', prev: '0'.repeat(64) };
  for (const event of auditEventNames) {
    for (const action of [undefined, ...actionNames]) {
      const heading = headingOf({ ...record, event, ...(action ? { action } : {}) });
      t.match(heading, /^[A-Zg][\w :;,]+$/, heading);
      t.notMatch(heading, /_|undefined/);
    }
  }
});

t.test('an old file of the log is called removed only where it is', async (t) => {
  const record: AuditRecord = { v: 1, seq: 1, ts: '2026-11-22T03:12:05.000Z', mono_ms: 0, boot: 'b', host: 'h', agent: 'a', event: 'audit.rotated', prev: '0'.repeat(64) };
  const file = { file: 'audit-20261122-01.jsonl', bytes: 1 };
  t.equal(headingOf({ ...record, removed: file }), 'Removed an old file of the log');
  t.equal(headingOf({ ...record, sealed: { ...file, last_seq: 1, sha256: '0'.repeat(64) } }), 'Began the next file of the log');
  t.equal(headingOf({ ...record, text: `${file.file} could not be sealed and compressed, and stays as it is: EIO` }), 'Left an old file of the log as it is');
});
