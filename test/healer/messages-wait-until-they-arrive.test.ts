/** What becomes of a message while its receiver is away, slow or refuses it; on a fake clock, with the spool on a real disk. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ulid } from '../../src/core/ids.ts';
import { mostWaiting, pauseAfter, startCourier, type Courier } from '../../src/healer/courier.ts';
import type { Message, SendOutcome, Severity } from '../../src/healer/notifier.ts';
import { openOutbox } from '../../src/healer/outbox.ts';
import { openSpool } from '../../src/healer/spool.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { FakeClock } from './fake-clock.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const refused: SendOutcome = { kind: 'failed', retry: true, detail: 'nobody listens' };

interface Scene {
  readonly courier: Courier;
  readonly clock: FakeClock;
  readonly folder: string;
  /** First lines of what was tried, with the time since the start. */
  readonly tries: { readonly text: string; readonly atMs: number; readonly lines: readonly string[] }[];
  readonly lost: string[];
  readonly log: string[];
  /** What the receiver does; a test changes it. */
  readonly receiver: { send: (message: Message, signal: AbortSignal) => Promise<SendOutcome> };
  say(text: string, severity?: Severity): Promise<void>;
  /** Whoever was woken has come to rest. */
  rest(): Promise<void>;
}

async function scene(t: Test, options: { readonly folder?: string; readonly clock?: FakeClock } = {}): Promise<Scene> {
  const folder = options.folder ?? join(tempFolder(t), 'ops');
  const clock = options.clock ?? new FakeClock();
  const begun = clock.monotonicMs();
  const [tries, lost, log]: [Scene['tries'], string[], string[]] = [[], [], []];
  const note = (_fields: object, text: string): void => void log.push(text);
  const receiver: Scene['receiver'] = { send: async () => ({ kind: 'sent' }) };
  const courier = startCourier({
    name: 'ops',
    send: (message, signal) => {
      tries.push({ text: message.lines[0] ?? '', atMs: clock.monotonicMs() - begun, lines: message.lines });
      return receiver.send(message, signal);
    },
    timeoutMs: () => 10 * second,
    spool: await openSpool(folder),
    clock,
    log: { info: note, warn: note, error: note },
    random: () => 0.5,
    onLost: async (message, why) => void lost.push(`${message.lines[0]}: ${why}`),
  });
  t.teardown(() => courier.close());
  const rest = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    await clock.isAsleep();
  };
  const say = (text: string, severity: Severity = 'critical'): Promise<void> => courier.post(messageOf(text, clock, severity));
  return { courier, clock, folder, tries, lost, log, receiver, say, rest };
}

function messageOf(text: string, clock: FakeClock, severity: Severity = 'critical'): Message {
  return { id: ulid(clock.wallMs()), at: new Date(clock.wallMs()).toISOString(), host: 'web1', event: 'incident.blocked', severity, service: 'shop', lines: [text] };
}

/** Time passes in steps that nothing sleeps through. */
async function pass(ms: number, { clock, rest }: Scene, stepMs = 250): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.pass(Math.min(stepMs, left));
    await rest();
  }
}

t.test('the pause grows from 1 s to 5 min, is never the same on two hosts, and is longer where the receiver asked for it', async (t) => {
  const middle = Array.from({ length: 12 }, (_, i) => pauseAfter(i + 1, { random: 0.5 }) / second);
  t.same(middle, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
  t.same([pauseAfter(1, { random: 0 }), pauseAfter(1, { random: 1 }), pauseAfter(99, { random: 1 })], [750, 1250, 375_000]);
  t.equal(pauseAfter(1, { random: 0.5, askedMs: 30 * second }), 30 * second);
  t.equal(pauseAfter(10, { random: 0.5, askedMs: second }), 5 * minute, 'not shorter');
  t.equal(pauseAfter(1, { random: 0.5, askedMs: 99 * hour }), 15 * minute, 'nobody is made to wait for ever');
});

t.test('messages arrive one after the other, in the order in which they were said, however long the first takes', async (t) => {
  const place = await scene(t);
  const { receiver, say, tries, rest, courier, folder } = place;
  receiver.send = async () => refused;
  for (const text of ['down', 'gave up', 'well again']) await say(text);
  await pass(7 * second, place);
  t.same(
    tries.map(({ text, atMs }) => `${text} ${atMs / second}`),
    ['down 0', 'down 1', 'down 3', 'down 7'],
  );
  t.match(courier.status(), { waiting: 3, problem: 'nobody listens' });
  t.equal(readdirSync(folder).length, 3, 'all of them on the disk');
  receiver.send = async () => ({ kind: 'sent' });
  await pass(8 * second, place);
  await rest();
  t.same(
    tries.slice(4).map(({ text, atMs }) => `${text} ${atMs / second}`),
    ['down 15', 'gave up 15', 'well again 15'],
  );
  t.same(courier.status(), { waiting: 0, oldestMs: undefined, problem: undefined });
  t.same(readdirSync(folder), []);
  t.same(place.log.length, 2, 'the log says that it begins, and that it is over');
});

t.test('a message is on the disk before it is tried, for nobody else to read', async (t) => {
  const { receiver, say, folder, rest } = await scene(t);
  let seen: string[] = [];
  receiver.send = async () => {
    seen = readdirSync(folder);
    return { kind: 'sent' };
  };
  const saying = say('down');
  await saying;
  await rest();
  t.same(seen, ['000000000001.json']);
  receiver.send = async () => refused;
  await say('down again');
  await rest();
  t.equal(statSync(join(folder, '000000000002.json')).mode & 0o777, 0o600);
  t.equal(statSync(folder).mode & 0o777, 0o700);
});

t.test('what waits when the healer is killed is sent by the next one: in its order, before what comes then', async (t) => {
  const before = await scene(t);
  before.receiver.send = async () => refused;
  await before.say('one');
  await before.say('two');
  await before.courier.close();
  writeFileSync(join(before.folder, '000000000003.json.new'), '{"half":');
  writeFileSync(join(before.folder, '000000000004.json'), '{"id":"../../etc/passwd"}');
  const after = await scene(t, { folder: before.folder, clock: before.clock });
  await after.say('three');
  await after.rest();
  t.same(
    after.tries.map(({ text }) => text),
    ['one', 'two', 'three'],
  );
  t.match(after.log, [/cannot be read and is dropped/], 'what is no message is told, and holds up nobody');
  t.same(readdirSync(before.folder), []);
});

t.test('who does not answer is left alone after its time, and a message that is late says so', async (t) => {
  const place = await scene(t);
  const { receiver, say, tries, rest } = place;
  let aborted = 0;
  receiver.send = (_message, signal) => new Promise(() => signal.addEventListener('abort', () => aborted++));
  await say('down');
  await pass(11 * second, place);
  t.equal(aborted, 1);
  await pass(second, place);
  t.equal(tries.length, 2, 'tried again, although the first try never ended');
  await pass(60 * second, place);
  receiver.send = async () => ({ kind: 'sent' });
  await pass(60 * second, place);
  await rest();
  t.match(tries.at(-1)?.lines, ['down', /^\(Late: this was said at 2026-11-22 03:00 UTC, and could not be told before\.\)$/]);
});

t.test('what a receiver refuses for good, and what nobody got for a day, is given up: told in the log and on record', async (t) => {
  const place = await scene(t);
  const { receiver, say, lost, log, rest, courier } = place;
  receiver.send = async () => ({ kind: 'failed', retry: false, detail: 'web.example answered 422' });
  await say('odd');
  await rest();
  t.same(lost, ['odd: web.example answered 422']);
  receiver.send = async () => refused;
  await say('down');
  await pass(24 * hour - 10 * minute, place, 5 * minute);
  t.equal(lost.length, 1);
  await pass(20 * minute, place, 5 * minute);
  t.match(lost[1], /^down: nobody could be told for 24 h: nobody listens$/);
  t.match(log.at(-1), /ops is not told, and it is not tried again .*: down$/);
  t.equal(courier.status().waiting, 0);
});

t.test('a wall clock that is set right makes no message old', async (t) => {
  const place = await scene(t);
  const { receiver, say, lost, clock, tries } = place;
  receiver.send = async () => refused;
  await say('down');
  clock.setWall(1000 * 24 * hour);
  await pass(10 * second, place);
  t.same(lost, []);
  receiver.send = async () => ({ kind: 'sent' });
  await pass(10 * second, place);
  t.same(tries.at(-1)?.lines, ['down'], 'it arrives, and is not called late');
});

t.test('where too many wait, the oldest that asks for nobody is dropped, and the next message says how many', async (t) => {
  const place = await scene(t);
  const { receiver, say, tries, rest, courier, folder } = place;
  receiver.send = async () => refused;
  await say('first', 'info');
  for (let i = 1; i < mostWaiting; i++) await say(`call ${i}`, i === 50 || i === 60 ? 'info' : 'critical');
  for (const text of ['x', 'y', 'z']) await say(text);
  t.equal(courier.status().waiting, mostWaiting);
  t.equal(readdirSync(folder).length, mostWaiting);
  receiver.send = async () => ({ kind: 'sent' });
  await pass(2 * second, place);
  await rest();
  const arrived = tries.filter(({ text }) => text !== 'first').map(({ text }) => text);
  t.equal(arrived.length, mostWaiting - 1);
  t.same(
    ['call 50', 'call 60', 'call 1'].map((text) => arrived.includes(text)),
    [false, false, false],
    'those for information first, then the oldest; what is being tried stays',
  );
  t.match(tries.at(-1)?.lines, ['z', /^\(1 older message to you could not be told/]);
});

t.test('a count of what was left out is not lost with the message that carried it', async (t) => {
  const place = await scene(t);
  const { receiver, say, tries, rest } = place;
  receiver.send = async () => refused;
  for (let i = 0; i < mostWaiting; i++) await say(`note ${i}`, 'info');
  for (let i = 0; i < 100; i++) await say(`more ${i}`, 'info');
  receiver.send = async () => ({ kind: 'sent' });
  await pass(2 * second, place);
  await rest();
  const told = tries.flatMap(({ lines }) => /^\((\d+) older/.exec(lines.at(-1) ?? '')?.[1] ?? []).map(Number);
  t.equal(told.reduce((sum, count) => sum + count, 0) + new Set(tries.map(({ text }) => text)).size, mostWaiting + 100, 'told or counted: each of them once');
});

t.test('a disk that takes nothing more does not keep a message from going out', async (t) => {
  const folder = join(tempFolder(t), 'ops');
  writeFileSync(folder, 'a file where the folder should be');
  const { say, tries, rest, log } = await scene(t, { folder });
  await say('the disk is full');
  await rest();
  t.same(tries.length, 1);
  t.match(log, [/kept in memory only.*ENOTDIR|EEXIST/]);
});

t.test('one receiver that is dead delays no other; who is told no more loses what waited, and that is on record', async (t) => {
  const folder = tempFolder(t);
  const [taken, records, log] = [join(folder, 'taken'), [] as string[], [] as string[]];
  const clock = new FakeClock();
  const program = join(folder, 'takes');
  writeFileSync(program, `#!/bin/sh\ncat >> ${taken}\n`, { mode: 0o755 });
  const runs = (path: string) => ({ type: 'run' as const, command: [path], timeout: 10_000 });
  const note = (_fields: object, text: string): void => void log.push(text);
  const outbox = await openOutbox({
    folder,
    notifiers: { dead: runs(join(folder, 'none')), alive: runs(program), ops: { type: 'log' } },
    audit: { append: async (event) => (records.push(String(event.text)), { kind: 'appended', seq: 1, hash: '', file: '' }) },
    clock,
    log: { info: note, warn: note, error: note },
  });
  t.teardown(() => outbox.close());
  for (const text of ['one', 'two']) await outbox.post(messageOf(text, clock), ['dead', 'alive', 'ops', 'nobody', 'alive']);
  const arrived = (): boolean => {
    const lines = readdirSync(folder).includes('taken') ? readFileSync(taken, 'utf8').split('\n').filter(Boolean) : [];
    return lines.length === 2 && outbox.waiting().every(({ name }) => name !== 'alive');
  };
  await until(arrived, { timeoutMs: 15_000, what: 'both messages' });
  t.match(outbox.waiting(), [{ name: 'dead', waiting: 2 }]);
  t.match(readFileSync(taken, 'utf8').split('\n')[0], /"lines":\["one"\]/);
  await outbox.adopt({ alive: runs(program) });
  t.same(outbox.waiting(), []);
  t.match(records, [/^2 messages to dead, which is no notifier any more, are dropped; the last: two$/]);
  mkdirSync(join(folder, 'spool'), { recursive: true });
  t.same(readdirSync(join(folder, 'spool')), ['alive']);
});
