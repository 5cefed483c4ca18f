import t from 'tap';
import type { Address } from '../../src/core/failure.ts';
import { Gate, type Comer } from '../../src/proxy/gate.ts';
import type { Admission } from '../../src/proxy/gate-state.ts';
import { FakeClock } from '../healer/fake-clock.ts';

const first: Address = { kind: 'tcp', host: '127.0.0.1', port: 1 };
const second: Address = { kind: 'tcp', host: '127.0.0.1', port: 2 };
const incident = '01J00000000000000000000000';

/** A gate whose prober is the test itself. */
function gateWith(limits: { held?: number; inFlight?: number; fairness?: 'client' | 'none' } = {}) {
  const clock = new FakeClock();
  const probing: { target: Address; opened: () => void; signal: AbortSignal }[] = [];
  const gate = new Gate({
    upstreams: [first, second],
    limits: { held: limits.held ?? 10, inFlight: limits.inFlight, fairness: limits.fairness ?? 'client' },
    clock,
    watchForRecovery: (target, opened, signal) => void probing.push({ target, opened, signal }),
  });
  const come = (clientGone = new AbortController().signal): Promise<Admission> => gate.admit({ clientGone, clientAddress: '' }, () => 1000);
  const comeFrom = (clientAddress: string): Promise<Admission> => gate.admit({ ...visitor(), clientAddress }, () => 1000);
  return { gate, clock, probing, come, comeFrom };
}

async function slotOf(admission: Promise<Admission>) {
  const admitted = await admission;
  if (admitted.outcome !== 'proceed') throw new Error(`expected to proceed, got ${admitted.outcome}`);
  return admitted.slot;
}

const visitor = (): Comer => ({ clientGone: new AbortController().signal, clientAddress: '' });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('an open gate lets everybody through', async (t) => {
  const { gate, come } = gateWith();
  const slots = await Promise.all(Array.from({ length: 50 }, () => slotOf(come())));
  t.equal(gate.inFlight, 50);
  for (const slot of slots) slot.release();
  for (const slot of slots) slot.release();
  t.equal(gate.inFlight, 0, 'a slot given back twice counts once');
});

t.test('a failed connect closes the gate; a connect that works opens it; who waits goes to the address of that moment', async (t) => {
  const { gate, come, probing } = gateWith();
  const slot = await slotOf(come());
  slot.failed('connection_refused');
  slot.release();
  t.equal(gate.state.kind, 'holding');
  const waiting = come();
  await turn();
  t.equal(gate.held, 1);
  t.same(probing.at(-1)?.target, first);
  gate.useUpstream(1);
  t.ok(probing[0]?.signal.aborted, 'the old address is not asked any more');
  t.same(probing.at(-1)?.target, second);
  probing.at(-1)?.opened();
  t.same((await slotOf(waiting)).target, second, 'the target is resolved at release');
  t.ok(gate.lastRecovery);
});

t.test('who was told to wait by the healer is not let go by a connect, but by the order', async (t) => {
  const { gate, come, probing } = gateWith();
  gate.hold({ until: 'order', incident, say: 'it is being repaired' });
  const waiting = come();
  await turn();
  t.equal(probing.length, 0, 'nobody probes');
  gate.open('done');
  await slotOf(waiting);
});

t.test('without a healer a connect may open what only the healer could open', async (t) => {
  const { gate, come, probing } = gateWith();
  gate.hold({ until: 'order', incident, say: 'it is being repaired' });
  const waiting = come();
  gate.orphaned();
  probing.at(-1)?.opened();
  t.same((await slotOf(waiting)).target, first);
});

t.test('nobody waits longer than the deadline', async (t) => {
  const { gate, come, clock } = gateWith();
  gate.hold({ until: 'connect', say: 'away' });
  const waiting = come();
  clock.pass(999);
  await turn();
  t.equal(gate.held, 1);
  clock.pass(1);
  t.same(await waiting, { outcome: 'hold_expired' });
  t.equal(gate.held, 0);
});

t.test('a full queue answers at once', async (t) => {
  const { gate, come } = gateWith({ held: 2 });
  gate.hold({ until: 'connect', say: 'away' });
  void come();
  void come();
  t.same(await come(), { outcome: 'queue_full' });
  t.equal(gate.held, 2);
});

t.test('a client that goes away leaves the queue', async (t) => {
  const { gate, come } = gateWith();
  gate.hold({ until: 'connect', say: 'away' });
  const client = new AbortController();
  const waiting = come(client.signal);
  client.abort();
  t.same(await waiting, { outcome: 'client_gone' });
  t.equal(gate.held, 0);
  t.same(await come(AbortSignal.abort()), { outcome: 'client_gone' });
});

t.test('when nothing will heal, all that wait are answered now, and nobody waits', async (t) => {
  const { gate, come } = gateWith();
  gate.hold({ until: 'connect', say: 'away' });
  const waiting = [come(), come()];
  gate.fallBack({ until: 'connect', incident, say: 'it was stopped on purpose' });
  t.same(await Promise.all(waiting), [{ outcome: 'upstream_down' }, { outcome: 'upstream_down' }]);
  t.same(await come(), { outcome: 'upstream_down' });
  t.match(gate.state, { kind: 'falling_back', incident, say: 'it was stopped on purpose' });
});

t.test('released requests go out in a ramp, oldest first: four, twice as many with each answered round, half as many after a failure', async (t) => {
  const { gate, come } = gateWith({ held: 100 });
  gate.hold({ until: 'connect', say: 'away' });
  const order: number[] = [];
  const waiting = Array.from({ length: 20 }, (_, n) => slotOf(come()).then((slot) => (order.push(n), slot)));
  await turn();
  gate.open('back');
  await turn();
  t.same(order, [0, 1, 2, 3]);
  const slot = await waiting[0]!;
  slot.answered();
  slot.release();
  await turn();
  t.same(order, [0, 1, 2, 3, 4, 5], 'one for the place that became free, one because the ramp widened');
  const failing = await waiting[1]!;
  failing.failed(undefined);
  failing.release();
  await turn();
  t.equal(order.length, 6, 'after a failure only half as many may be out: nobody follows');
  const late = come();
  for (let n = 2; n < 20; n++) {
    const next = await waiting[n]!;
    next.answered();
    next.release();
    await turn();
  }
  await slotOf(late);
  t.same(order, [...Array(20).keys()], 'all went out, in the order in which they came');
});

t.test('requests that were in the backend before it was away do not narrow the ramp', async (t) => {
  const { gate, come } = gateWith();
  const streams = await Promise.all(Array.from({ length: 20 }, () => slotOf(come())));
  gate.hold({ until: 'connect', say: 'away' });
  gate.open('back');
  await Promise.all(Array.from({ length: 4 }, () => slotOf(come())));
  t.equal(gate.inFlight, 24);
  for (const stream of streams) stream.release();
});

t.test('a ramp ends by itself, however little is answered', async (t) => {
  const { gate, come, clock } = gateWith({ held: 100 });
  gate.hold({ until: 'connect', say: 'away' });
  const waiting = Array.from({ length: 30 }, () => gate.admit(visitor(), () => 60_000));
  gate.open('back');
  await turn();
  t.equal(gate.held, 26);
  clock.pass(5000);
  await Promise.all(waiting.map((one) => slotOf(one)));
  await slotOf(come());
});

t.test('a health check, which never waits, asks an open backend however busy it is', async (t) => {
  const { gate, come } = gateWith({ inFlight: 1 });
  await slotOf(come());
  t.match(await gate.admit(visitor(), () => 0), { outcome: 'proceed' });
});

t.test('a gate that stops answers those who wait, and everybody after them', async (t) => {
  const { gate, come } = gateWith();
  gate.hold({ until: 'connect', say: 'away' });
  const waiting = come();
  gate.stop();
  t.same([await waiting, await come()], [{ outcome: 'upstream_down' }, { outcome: 'upstream_down' }]);
});

t.test('no more are in the backend than it has workers; the rest waits and nobody is refused', async (t) => {
  const { gate, come } = gateWith({ inFlight: 2 });
  const slots = [await slotOf(come()), await slotOf(come())];
  const waiting = come();
  await turn();
  t.equal(gate.held, 1);
  slots[0]!.release();
  await slotOf(waiting);
  const another = come();
  await turn();
  t.equal(gate.held, 1);
  gate.setLimit(3);
  await slotOf(another);
});

t.test('one that comes late goes behind those who wait', async (t) => {
  const { gate, come } = gateWith({ inFlight: 1 });
  const slot = await slotOf(come());
  const order: string[] = [];
  void come().then(() => order.push('early'));
  void come().then(() => order.push('late'));
  slot.release();
  await turn();
  t.same(order, ['early']);
  t.equal(gate.held, 1);
});

t.test('a replay goes when one in five of those in the backend are replays, or fewer than three; it is delayed, never refused', async (t) => {
  const { gate, come, clock } = gateWith({ held: 100 });
  const replay = (): Promise<Admission> => gate.admit(visitor(), () => 10_000, true);
  const first = await Promise.all(Array.from({ length: 3 }, () => slotOf(replay())));
  const fourth = replay();
  await turn();
  t.equal(gate.held, 1, 'three, while nothing else is in the backend');
  await slotOf(come());
  t.equal(gate.held, 1, 'a request that was never sent does not wait behind it');
  const others = await Promise.all(Array.from({ length: 20 }, () => slotOf(come())));
  others[0]!.release();
  await slotOf(fourth);
  await slotOf(replay());
  t.equal(gate.held, 0, 'a fifth of 24 is more than three');
  for (const slot of [...others, ...first]) slot.release();
  await slotOf(replay());
  const late = replay();
  clock.pass(10_000);
  t.same(await late, { outcome: 'hold_expired' }, 'only its hold time ends its wait');
});

t.test('a replay that is answered makes room for the next, however long its answer is', async (t) => {
  const { gate } = gateWith();
  const replay = (): Promise<Admission> => gate.admit(visitor(), () => 10_000, true);
  const [stream, ...others] = await Promise.all(Array.from({ length: 3 }, () => slotOf(replay())));
  const fourth = replay();
  stream!.answered();
  const slots = [stream!, ...others, await slotOf(fourth)];
  t.equal(gate.inFlight, 4, 'its answer still comes');
  for (const slot of slots) slot.release();
  const again = await Promise.all(Array.from({ length: 3 }, () => slotOf(replay())));
  void replay();
  await turn();
  t.same([gate.inFlight, gate.held], [3, 1], 'and it was counted once');
  for (const slot of again) slot.release();
});

t.test('clients take turns while they wait, each one oldest first', async (t) => {
  for (const [fairness, expected] of [
    ['client', ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']],
    ['none', ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2']],
  ] as const) {
    const { gate, comeFrom } = gateWith({ inFlight: 1, fairness });
    const slot = await slotOf(comeFrom('x'));
    const order: string[] = [];
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2'])
      void slotOf(comeFrom(name.charAt(0))).then((next) => {
        order.push(name);
        next.release();
      });
    slot.release();
    for (let i = 0; i < 10; i++) await turn();
    t.same(order, expected, fairness);
    t.equal(gate.held, 0);
  }
});

t.test('a full line makes room for a client that has less in it, and never for one that has as much', async (t) => {
  const { gate, comeFrom } = gateWith({ held: 4 });
  gate.hold({ until: 'connect', say: 'away' });
  const greedy = [1, 2, 3, 4].map(() => comeFrom('greedy'));
  const modest = comeFrom('modest');
  t.same(await greedy[3], { outcome: 'queue_full' }, 'the newest of those who have most');
  t.equal(gate.held, 4);
  const second = comeFrom('modest');
  t.same(await greedy[2], { outcome: 'queue_full' });
  t.same(await comeFrom('modest'), { outcome: 'queue_full' }, 'two and two: a third one would only change who has more');
  t.same(await comeFrom('greedy'), { outcome: 'queue_full' });
  const third = comeFrom('other');
  t.same(await greedy[1], { outcome: 'queue_full' });
  gate.open('back');
  for (const one of [greedy[0]!, modest, second, third]) await slotOf(one);
});

t.test('with turns switched off a full line is full for everybody', async (t) => {
  const { gate, comeFrom } = gateWith({ held: 2, fairness: 'none' });
  gate.hold({ until: 'connect', say: 'away' });
  void comeFrom('cdn');
  void comeFrom('cdn');
  t.same(await comeFrom('other'), { outcome: 'queue_full' });
});
