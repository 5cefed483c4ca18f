import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { tellNow } from '../../src/cli/incident-now.ts';
import type { AuditEvent } from '../../src/healer/audit/record.ts';
import { append, openStory, StoryClock } from '../fixtures/audit/story.ts';
import { finish } from '../support/program.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const id = '01KANN0R0M7ZQ4T9Y2C5X7K3FQ';
const of = { incident: id, service: 'shop' } as const;
const act = { ...of, action: 'page', action_id: '01KANN0R4QW3E5R7T9Y1ZB3D5F' } as const;
const diagnosed: AuditEvent = { ...of, event: 'diagnosis.made', cause: 'service.crashed', text: 'shop is not running', remedy: 'Look into its journal' };
const told: readonly AuditEvent[] = [
  { ...act, event: 'action.intent' },
  { ...act, event: 'action.finished', outcome: { result: 'done' } },
];
const started = (result: 'done' | 'failed'): readonly AuditEvent[] => [
  { ...act, action: 'start', event: 'action.intent' },
  { ...act, action: 'start', event: 'action.finished', outcome: { result } },
];
const refusedUntil = (...at: readonly (string | undefined)[]): AuditEvent => ({
  ...of,
  event: 'action.refused',
  action: 'restart',
  text: 'too early',
  gates: [
    { gate: 'enabled', verdict: 'pass', reason: 'on' },
    ...at.map((each) => ({ gate: 'cooldown', verdict: 'refuse', reason: '12 s of 60 s are over', ...(each === undefined ? {} : { allowed_at: each }) }) as const),
  ],
});

/** A machine with this log, whose healer answers with one service in trouble. */
async function machine(t: TestScope, events: readonly AuditEvent[], gaveUp: string | null): Promise<string> {
  const folder = tempFolder(t);
  const log = await openStory(join(folder, 'audit'), new StoryClock());
  await append(log, new StoryClock(), [{ ...of, event: 'incident.opened' }, ...events]);
  await log.close();
  const service = {
    name: 'shop',
    mode: 'act',
    state: 'failed',
    text: 'it ended with status 1',
    upstream: null,
    attempts: { used: 2, of: 3, within_ms: 3_600_000 },
    gave_up: gaveUp,
    incident: { id, code: 'X7K3FQ', opened_at: '2026-11-22T03:12:05.000Z', symptom: 'refused', cause: null, sentence: null, done: ['start', 'start'] },
  };
  const healer = createServer((socket) => socket.once('data', () => socket.end(`${JSON.stringify({ healing: 'on', audit: 'ok', services: [service] })}\n`)));
  await new Promise<void>((resolve) => healer.listen(join(folder, 'control.sock'), resolve));
  t.teardown(() => new Promise((resolve) => healer.close(resolve)));
  const config = join(folder, 'goodgateway.yaml');
  writeFileSync(
    config,
    `version: 1\nruntime: ${folder}\naudit: { folder: ${folder}/audit }\ngateways:\n  shop: { listen: unix:${folder}/shop.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop }\n`,
  );
  return config;
}

const status = async (config: string, ...words: readonly string[]) => finish([process.execPath, main, 'status', '--config', config, ...words], { environment: { TZ: 'UTC' } });

t.test('status says what was done, that somebody was told, and until when healing is refused', async (t) => {
  const { code, output } = await status(await machine(t, [diagnosed, ...started('failed'), ...started('failed'), ...started('done'), ...told, refusedUntil('2036-11-22T03:13:05.000Z')], null));
  t.equal(code, 1, 'a service is in trouble');
  t.match(output, / {2}done: 2 × start failed, start, told somebody; more: goodgateway why X7K3FQ\n {2}refused: to restart until 2036-11-22 03:13:05 \(cooldown: 12 s of 60 s are over\)\n$/);
});

t.test('status says the next step where it was given up', async (t) => {
  const { output } = await status(await machine(t, [diagnosed, ...started('done')], 'the ladder is at its end'));
  t.match(output, / {2}given up: the ladder is at its end\n/);
  t.match(output, / {2}done: start; more: goodgateway why X7K3FQ\n {2}next: Look into its journal\. goodgateway sees by itself when it is well again\.\n$/);
  t.notMatch(output, /told|refused:/);
});

t.test('a damaged file of the log is named, and what the others say is said', async (t) => {
  const config = await machine(t, [...started('failed'), ...told], null);
  const audit = join(config, '../audit');
  const clock = new StoryClock('2026-11-23T03:12:05.000Z');
  const log = await openStory(audit, clock);
  await append(log, clock, [refusedUntil('2036-11-22T03:13:05.000Z')]);
  await log.close();
  const first = join(audit, 'audit-20261122-01.jsonl');
  writeFileSync(`${first}.gz`, gzipSync(readFileSync(first)).subarray(0, 60));
  rmSync(first);
  const { code, output } = await status(config);
  t.equal(code, 1);
  t.match(output, /goodgateway: audit-20261122-01\.jsonl\.gz is damaged \(unexpected end of file\): /);
  t.match(output, / {2}done: 2 × start; more: .*\n {2}refused: to restart until 2036-11-22 03:13:05/, 'what was done is what the healer says');
});

t.test('a log that cannot be read makes status say less, not fail', async (t) => {
  const config = await machine(t, told, null);
  writeFileSync(
    config,
    `version: 1\nruntime: ${join(config, '..')}\naudit: { folder: /nowhere/at/all }\ngateways:\n  shop: { listen: unix:/run/x.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop }\n`,
  );
  t.match((await status(config)).output, / {2}done: 2 × start; more: goodgateway why X7K3FQ\n$/);
  t.match(JSON.parse((await status(config, '--json')).output), { services: [{ name: 'shop' }] });
});

t.test('a refusal counts while it is the newest decision, and ends when all its gates open', async (t) => {
  const records = (...events: readonly AuditEvent[]) =>
    events.map((event, i) => ({ v: 1, seq: i + 1, ts: '2026-11-22T03:12:05.000Z', mono_ms: 0, boot: 'b', host: 'h', agent: 'a', prev: '0'.repeat(64), ...event }) as const);
  const now = Date.parse('2026-11-22T03:12:05.000Z');
  const early = '2026-11-22T03:13:00.000Z';
  const late = '2026-11-22T03:14:00.000Z';
  t.equal(tellNow(records(refusedUntil(early, late)), now).refused?.untilMs, Date.parse(late));
  t.equal(tellNow(records(refusedUntil(early, undefined)), now).refused?.untilMs, undefined, 'one opens only by a person');
  t.equal(tellNow(records(refusedUntil(early)), Date.parse(late)).refused?.untilMs, undefined, 'that moment is over');
  t.match(tellNow(records(refusedUntil()), now).refused, { because: 'too early', untilMs: undefined });
  t.equal(tellNow(records(refusedUntil(early), ...told), now).refused, undefined);
  t.same(tellNow([], now), { done: undefined, told: false, refused: undefined, next: undefined });
});
