/** Between a decision and its act lie looks that may take a minute. What happens in them counts; on a fake clock. */
import t from 'tap';
import type { Collector } from '../../src/healer/leaves.ts';
import type { Diagnosis } from '../../src/core/diagnosis.ts';
import { ulid } from '../../src/core/ids.ts';
import { chooseStep } from '../../src/healer/choose-step.ts';
import type { Healer } from '../../src/healer/healer.ts';
import type { Surroundings } from '../../src/healer/policy/surroundings.ts';
import { openCase, scene } from '../fixtures/healer/scene.ts';
import { until } from '../support/until.ts';

const best = { cause: 'service.hung', confidence: 'certain', subject: 'php', sentence: 'php hangs.', because: [], against: [], remedy: 'Look.' } as const;
const diagnosis: Diagnosis = { best, others: [], evidence: [] };
const policy = { name: 'php', evidence: { capture: ['log_tail'] }, rules: [{ name: 'Hung, so restart it', when: { cause: 'service.hung' }, try: [{ do: 'restart' }] }] };

async function placeOf(t: Parameters<typeof scene>[0], meanwhile: (at: { readonly healer: Healer; stop(): void; wake(): void; change(): void; observe(): void }) => Promise<unknown> | void) {
  const place = await scene(t, { policies: [policy] });
  place.trouble.set('php', { cause: 'service.hung', state: 'frozen' });
  const ward = place.ward('php').pinned();
  const read = (mode: 'observe'): void => place.ward('php').adopt({ policy: { ...ward.policy, mode, rules: [] }, file: 'f', sha256: '1'.repeat(64) });
  let changes: Surroundings['changes'] = [];
  const whileItIsKept: Collector = {
    name: 'log_tail',
    applies: () => true,
    collect: async () => {
      await meanwhile({
        healer,
        stop: () => void place.trouble.set('php', { state: 'stopped' }),
        wake: () => void place.trouble.clear(),
        change: () => void (changes = [{ text: 'dpkg holds its lock' }]),
        observe: () => read('observe'),
      });
      return 'the last lines';
    },
  };
  const healer: Healer = { ...place.healer, collectors: [whileItIsKept], around: { host: async () => ({ changes, unfit: [] }), otherHealer: async () => undefined } };
  const incident = { id: ulid(place.clock.wallMs()), service: 'php', openedAtMs: place.clock.wallMs(), symptom: { seenBy: 'watch', kind: 'service_frozen', count: 1, text: 'php hangs' } } as const;
  await place.healer.state.openIncident(incident, 0);
  const open = openCase({ incident, diagnosis });
  const state = await ward.serviceType.state(ward.target(), healer.run, healer.stopping);
  return chooseStep({ diagnosis, state }, { open, ward, healer });
}

t.test('R11, R21: nothing happens while evidence is kept, so the step is done', async (t) => {
  t.match(await placeOf(t, () => undefined), { kind: 'recover', step: { action: 'restart' } });
});

t.test('R18 deliberate stop: what somebody stops while evidence is kept stays stopped, though systemd and Docker name the same run', async (t) => {
  const decision = await placeOf(t, ({ stop }) => stop());
  t.match(decision, { kind: 'stand_down', why: 'refused', reason: /deliberate_stop/ });
});

t.test('R17 change detection: a package manager that begins while evidence is kept is waited for', async (t) => {
  const decision = await placeOf(t, ({ change }) => change());
  t.match(decision, { kind: 'stand_down', why: 'refused', reason: /change_in_progress .*dpkg holds its lock/ });
});

t.test('R16 pauses: a pause that is set while evidence is kept counts', async (t) => {
  const decision = await placeOf(t, ({ healer }) => healer.state.pause('php', { forMs: 60_000, reason: 'deploy 4711' }));
  t.match(decision, { kind: 'stand_down', why: 'refused', reason: /paused .*deploy 4711/ });
});

t.test('R14 observe first: who sets the policy to observe stops what an open incident would do, though its rules are the old ones', async (t) => {
  const decision = await placeOf(t, ({ observe }) => observe());
  t.match(decision, { kind: 'stand_down', why: 'observe', rule: 'Hung, so restart it' });
});

t.test('R21 fence: what came to life again while evidence is kept is not restarted on what was seen before', async (t) => {
  const decision = await placeOf(t, ({ wake }) => wake());
  t.match(decision, { kind: 'stand_down', why: 'refused', reason: /fence \(stale decision: no run \(frozen\) was diagnosed, now it is no run \(running\)/ });
});

t.test('R11 evidence before action: where it is required, nothing is done without it, however often it was tried', async (t) => {
  const place = await scene(t, { policies: [{ ...policy, evidence: { capture: ['log_tail'], required: true }, limits: { cooldown: '0s' } }] });
  place.trouble.set('php', { cause: 'service.hung', state: 'frozen' });
  place.incidents.seen(place.ward('php'), { seenBy: 'watch', kind: 'service_frozen', count: 1, text: 'php hangs' });
  const roundsPass = async (): Promise<boolean> => {
    await place.pass(500);
    return place.controlled.length > 0 || (place.incidents.openFor('php')?.rounds ?? 0) > 12;
  };
  await until(roundsPass, { timeoutMs: 10_000, what: 'twelve rounds' });
  t.same(place.controlled, []);
  t.equal(place.records.filter(({ event }) => event === 'evidence.failed').length, 1, 'and the record is not flooded');
  t.match(place.records, [{ event: 'incident.opened' }]);
});

t.test('R22 unknown outcome: what is seen dead after a restart of the healer is started, not watched until the verification is over', async (t) => {
  const crashed = { name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start' }] };
  const place = await scene(t, { policies: [{ ...policy, rules: [crashed], verify: { within: '15m', stable_for: '1s', checks: [{ service: 'running' }] } }] });
  place.trouble.set('php', { cause: 'service.crashed', state: 'failed' });
  const incident = { id: ulid(place.clock.wallMs()), service: 'php', openedAtMs: place.clock.wallMs(), symptom: { seenBy: 'watch', kind: 'service_down', count: 1, text: 'php is down' } } as const;
  await place.healer.state.openIncident(incident, 0);
  place.incidents.resume(place.ward('php'), incident, true);
  await place.pass(10_000);
  t.match(
    place.records.find(({ event }) => event === 'verify.failed'),
    { text: 'php was seen dead twice while it was watched' },
  );
  t.same(place.controlled, ['start php']);
});
