/** R13 on a fake clock: load is shed and let in again, a switch is taken back, and a killed healer forgets neither. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Order } from '../../src/channel/messages.ts';
import { shedLoad } from '../../src/healer/actions/shed-load.ts';
import { resumeAfterRestart } from '../../src/healer/resume.ts';
import type { Symptom } from '../../src/core/incident.ts';
import { scene, type Scene, type SceneOptions } from '../fixtures/healer/scene.ts';
import { tempFolder } from '../support/temp-folder.ts';

const slow: Symptom = { seenBy: 'watch', kind: 'unanswered_probe', count: 2, text: 'php did not take 2 connections in a row' };
const busy = { name: 'Busy is not broken', when: { cause: 'capacity.workers_exhausted' }, never: ['restart'], try: [{ do: 'shed_load', with: { keep: 0.8, retry_after: 15_000 } }] };
const settings = { name: 'php', rules: [busy], verify: { within: '30s', stable_for: '20s', checks: [{ service: 'running' }] } };

const shedOf = ({ orders }: Scene): readonly number[] => orders.filter((order): order is Extract<Order, { type: 'shed' }> => order.type === 'shed').map(({ keep }) => keep);
const eventsOf = ({ records }: Scene): readonly string[] => records.map(({ event }) => event);
const openUndo = ({ healer }: Scene): readonly unknown[] => healer.state.state().incidents.flatMap(({ undo }) => undo);

async function shedding(t: Test, options: Partial<SceneOptions> = {}): Promise<Scene> {
  const php = await scene(t, { policies: [settings], ...options });
  php.trouble.set('php', { cause: 'capacity.workers_exhausted' });
  php.incidents.seen(php.ward('php'), slow);
  await php.pass(2000);
  return php;
}

t.test('R13 undo: what undoes an act is on the disk before it is done, and is done when the incident is over', async (t) => {
  const folder = tempFolder(t);
  const onDisk: unknown[] = [];
  const php = await shedding(t, { folder, onOrder: () => onDisk.push(JSON.parse(readFileSync(join(folder, 'state/healing.json'), 'utf8')).incidents[0].undo) });
  t.same(onDisk, [[{ action: 'shed_load', options: { keep: 0.8, retry_after: 15_000 } }]], 'before the order');
  t.match(php.orders, [{ type: 'shed', gateway: 'php', keep: 0.8, retryAfterMs: 15_000, say: '' }], 'nobody is held or shut off');
  t.match(
    php.records.find(({ event }) => event === 'action.intent'),
    { action: 'shed_load', reversible: true },
  );
  await php.pass(90_000);
  t.same(shedOf(php), [0.8], 'as long as it lasts');
  t.equal(php.told.length, 1, 'a person is told once that it did not suffice');
  t.match(php.told[0]?.text, /php - a person is needed.*\nWhy: .*\nDone: shed_load\.\nNow: every step of the rule "Busy is not broken" was tried.*\nPlease: /);
  php.trouble.delete('php');
  await php.pass(15_000);
  t.same(shedOf(php), [0.8], 'it must look well for a while');
  await php.pass(60_000);
  t.same(shedOf(php), [0.8, 1]);
  t.same(eventsOf(php).slice(-3), ['verify.passed', 'undo.done', 'incident.recovered']);
  t.match(
    php.records.find(({ event }) => event === 'undo.done'),
    { action: 'shed_load', outcome: { result: 'done' }, text: 'everybody is let in again' },
  );
  t.match(php.healer.state.state(), { incidents: [], attempts: [] }, 'it counts as no attempt');
  t.same(php.controlled, []);
});

t.test('R13 undo: one free worker at one moment lets nobody in', async (t) => {
  const php = await shedding(t);
  for (let i = 0; i < 4; i++) {
    php.trouble.delete('php');
    await php.pass(8000);
    php.trouble.set('php', { cause: 'capacity.workers_exhausted' });
    await php.pass(3000);
  }
  t.same(shedOf(php), [0.8]);
  t.notOk(eventsOf(php).includes('verify.failed'), 'and fills no record');
});

t.test('R13 undo: trouble that comes back when everybody is in is met anew', async (t) => {
  const php = await shedding(t);
  php.trouble.delete('php');
  await php.pass(80_000);
  php.trouble.set('php', { cause: 'capacity.workers_exhausted' });
  php.incidents.seen(php.ward('php'), slow);
  await php.pass(2000);
  t.same(shedOf(php), [0.8, 1, 0.8]);
});

t.test('R13 undo: a healer that was killed keeps what is open, and takes it back at the end', async (t) => {
  const folder = tempFolder(t);
  const before = await shedding(t, { folder });
  await before.kill();
  const after = await scene(t, { policies: [settings], folder, clock: before.clock });
  after.trouble.set('php', { cause: 'capacity.workers_exhausted' });
  await resumeAfterRestart({ wards: after.healer.wards, incidents: after.incidents, healer: after.healer });
  t.same(shedOf(after), [0.8], 'before it has looked');
  await after.pass(60_000);
  t.same(shedOf(after), [0.8], 'it does not take a pool for well because it has forgotten the cause');
  after.trouble.delete('php');
  await after.pass(80_000);
  t.same(shedOf(after), [0.8, 1]);
  t.match(after.records.at(-1), { event: 'incident.recovered', outcome: { detail: 'shed_load' } });
});

t.test('R13 undo: a healer that may not act any more lets everybody in when it comes back', async (t) => {
  const folder = tempFolder(t);
  const before = await shedding(t, { folder });
  await before.kill();
  const after = await scene(t, { policies: [{ ...settings, mode: 'observe' }], folder, clock: before.clock });
  await resumeAfterRestart({ wards: after.healer.wards, incidents: after.incidents, healer: after.healer });
  t.same(shedOf(after), [1]);
  t.same(openUndo(after), []);
});

t.test('R29 people first: who switches healing off, or the policy to observe, has everybody let in again at once', async (t) => {
  for (const how of ['off', 'observe'] as const) {
    const php = await shedding(t);
    const off = { sinceMs: php.clock.monotonicMs(), reason: 'hands off', by: 'eva' };
    if (how === 'off') await php.healer.state.updateService('php', (known) => ({ ...known, off }));
    else php.ward('php').adopt({ policy: { ...php.ward('php').policy, mode: 'observe' }, file: 'f', sha256: '1'.repeat(64) });
    php.incidents.wake(php.ward('php'));
    await php.pass(5000);
    t.same(shedOf(php), [0.8, 1], how);
    t.same(openUndo(php), []);
    await php.pass(60_000);
    t.same(shedOf(php), [0.8, 1], 'and nothing is begun anew');
  }
});

t.test('R13 undo: what cannot be taken back says so before it is done', async (t) => {
  const start = { name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start' }] };
  const php = await scene(t, { policies: [{ ...settings, rules: [start] }] });
  php.trouble.set('php', { cause: 'service.crashed', state: 'failed' });
  php.incidents.seen(php.ward('php'), slow);
  await php.pass(1000);
  t.match(
    php.records.find(({ event }) => event === 'action.intent'),
    { action: 'start', reversible: false },
  );
  t.same(openUndo(php), []);
});

const moved = (undo: object) => ({
  name: 'php',
  rules: [{ name: 'It listens elsewhere', when: { cause: 'net.port_moved' }, try: [{ do: 'switch_upstream', with: {}, ...undo }] }],
  verify: { within: '5s', stable_for: '5s', checks: [{ service: 'running' }] },
});
const gateways = { shop: { listen: 'unix:/run/shop.sock', protocol: 'http', upstream: 'unix:/run/a', also_allowed: ['unix:/run/b'], service: 'php' } };
const elsewhere = { cause: 'net.port_moved', facts: { found: 'unix:/run/b' } } as const;

async function switching(t: Test, undo: object, helps: boolean): Promise<Scene> {
  const php = await scene(t, { policies: [moved(undo)], gateways, onOrder: ({ type }) => type === 'use_upstream' && helps && php.trouble.delete('php') });
  php.trouble.set('php', { ...elsewhere, state: 'failed' });
  php.incidents.seen(php.ward('php'), slow);
  await php.pass(20_000);
  return php;
}

t.test('R13 undo: a switch that did not help is taken back where the policy says so', async (t) => {
  const used = ({ orders }: Scene): readonly unknown[] => orders.filter((order) => order.type === 'use_upstream').map((order) => order.upstream);
  const failed = await switching(t, { undo: 'automatic' }, false);
  t.same(used(failed), [1, 0]);
  t.match(
    failed.records.find(({ event }) => event === 'undo.done'),
    { action: 'switch_upstream', text: 'the gateways use unix:/run/a again, as before' },
  );
  t.same(openUndo(failed), []);
  t.same(used(await switching(t, {}, false)), [1], 'by default it is left to people');
  const helped = await switching(t, { undo: 'automatic' }, true);
  t.same(used(helped), [1], 'one that helped stays');
  t.match(helped.healer.state.state().incidents, []);
});

t.test('R13 undo: where no gateway leads to the service nobody can be turned away, and it says so', async (t) => {
  const php = await shedding(t, { gateways: {} });
  t.match(
    php.records.find(({ event }) => event === 'action.finished'),
    { outcome: { result: 'failed' }, text: 'no gateway leads to php, so there is nobody whom goodgateway could turn away' },
  );
  t.same(openUndo(php), []);
  t.same(php.orders, []);
});

t.test('shed_load turns nobody away for nothing, nor everybody', async (t) => {
  const parsed = (options: object): boolean => shedLoad.options.safeParse(options).success;
  t.match(shedLoad.options.parse({}), { keep: 0.8, retry_after: 15_000 });
  t.same([{ keep: '0%' }, { keep: '9%' }, { keep: '100%' }, { retry_after: '1ms' }, { retry_after: '2h' }, { share: '80%' }].filter(parsed), []);
  t.ok(parsed({ keep: '10%', retry_after: '1m' }));
});

t.test("the administrator's words are what visitors read, in every order", async (t) => {
  const php = await shedding(t, { policies: [{ ...settings, while_recovering: { say: 'The sale has begun.' } }] });
  t.match(php.orders, [{ type: 'shed', say: 'The sale has begun.' }]);
  php.trouble.set('php', { cause: 'service.crashed', state: 'failed' });
  await php.pass(40_000);
  t.match(php.orders.at(-1), { type: 'fall_back', say: 'The sale has begun.' });
});
