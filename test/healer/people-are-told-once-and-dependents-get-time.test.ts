/** What people are told of incidents, how seldom (R28), and what becomes of services that depend on one (R20); on a fake clock. */
import t, { type Test } from 'tap';
import type { Symptom } from '../../src/core/incident.ts';
import { ulid } from '../../src/core/ids.ts';
import { createAfterRecovery } from '../../src/healer/after-recovery.ts';
import type { OpenCase } from '../../src/healer/healer.ts';
import { noteAsked, notify, page, remind } from '../../src/healer/notices.ts';
import { noteRecovery } from '../../src/healer/repetition.ts';
import { tell } from '../../src/healer/tell.ts';
import { openCase, scene, type Scene } from '../fixtures/healer/scene.ts';
import { tempFolder } from '../support/temp-folder.ts';

const down: Symptom = { seenBy: 'watch', kind: 'service_down', count: 1, text: 'php is not running' };
const minute = 60_000;
const hour = 60 * minute;

function caseOf({ healer }: Scene, more: Partial<OpenCase> = {}): OpenCase {
  const best = { cause: 'service.crashed', confidence: 'certain', subject: 'php', sentence: 'php was killed.', because: [], against: [], remedy: 'Read its log.' } as const;
  const incident = { id: ulid(healer.clock.wallMs()), service: 'php', openedAtMs: healer.clock.wallMs(), symptom: down };
  return openCase({ incident, diagnosis: { best, others: [], evidence: [] }, ...more });
}

const all = ['started', 'recovered', 'gave_up', 'blocked', 'repeated'];
const crashed = { name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start' }], notify: ['developers'] };
const php = (more: object = {}) => ({
  name: 'php',
  rules: [crashed],
  notify: { to: ['ops'], events: all, remind_every: '1h' },
  limits: { cooldown: '0s', max_attempts: { times: 100, within: '1h' } },
  ...more,
});

t.test('R28 repetition: the third repair within a day is recorded and told once, whatever comes after it', async (t) => {
  const place = await scene(t, { policies: [php()] });
  const { healer, clock, records, told } = place;
  const recover = async (done: string[]): Promise<void> => noteRecovery({ open: caseOf(place, { done }), ward: place.ward('php'), healer });
  await recover(['start']);
  clock.pass(hour);
  await recover([]);
  await recover(['start (failed)']);
  await recover(['start (failed)', 'start']);
  t.same(records, [], 'what came back by itself does not count');
  clock.pass(23 * hour - 1);
  await recover(['start']);
  t.match(records, [{ event: 'incident.repeated', cause: 'service.crashed', text: /php was healed 3 times within 24 h.*by start/ }]);
  t.match(told, [{ text: /php is healed again and again.*\nWhy: php was killed\.[^]*3 times within 24 h[^]*Please: Read its log\./ }]);
  for (let i = 0; i < 5; i++) await recover(['start']);
  t.equal(records.length, 1);
  clock.pass(24 * hour);
  for (let i = 0; i < 2; i++) await recover(['start']);
  t.equal(records.length, 1, 'a day later it begins at nothing');
  await recover(['start']);
  t.equal(records.length, 2);
  t.equal(told.length, 2);
});

t.test('R28 repetition: one incident counts once, also when the healer was killed at its end', async (t) => {
  const place = await scene(t, { policies: [php()] });
  const open = caseOf(place, { done: ['start'] });
  for (let i = 0; i < 3; i++) await noteRecovery({ open, ward: place.ward('php'), healer: place.healer });
  t.same(place.records, []);
});

t.test('one incident is one thread: it begins, it ends, and each is told once, in five lines at most', async (t) => {
  const place = await scene(t, { policies: [php({ verify: { within: '5s', stable_for: '1s', checks: [{ service: 'running' }] } })] });
  place.trouble.set('php', { cause: 'service.crashed', state: 'failed' });
  place.incidents.seen(place.ward('php'), down);
  await place.pass(20_000);
  t.match(
    place.told.map(({ text }) => text.split('\n')[0]),
    [/^php - a repair begins \(incident \w{6}\): php is not running$/, /^php is well again/],
  );
  t.match(place.told[0]?.to, ['ops', 'developers'], 'the rule names who else is told');
  t.match(place.told[1]?.text, /\nDone: start\./);
  t.ok(place.told.every(({ text }) => text.split('\n').length <= 5));
});

t.test('the same page is told every ten minutes at most, over incidents and restarts, and says how often it was left out', async (t) => {
  const folder = tempFolder(t);
  const before = await scene(t, { policies: [php()], folder });
  const pageOf = (place: Scene, rule = 'A'): Promise<boolean> => page('php crashed', { open: caseOf(place), ward: place.ward('php'), healer: place.healer }, { rule, to: undefined });
  t.same([await pageOf(before), await pageOf(before), await pageOf(before)], [true, false, false]);
  t.equal(await pageOf(before, 'B'), true, 'another rule is another thing');
  await before.kill();
  const after = await scene(t, { policies: [php()], folder, clock: before.clock });
  for (let i = 0; i < 3; i++) await pageOf(after);
  after.clock.pass(10 * minute - 1);
  t.equal(await pageOf(after), false);
  after.clock.pass(1);
  t.equal(await pageOf(after), true);
  t.same(
    after.told.map(({ text }) => text.split('\n').at(-1)),
    ['(The same 6 times since, which was not told.)'],
  );
});

t.test('who gave up, and the end of what people were asked for, is always told', async (t) => {
  const place = await scene(t, { policies: [php()] });
  const { healer } = place;
  const once = async (heard: boolean): Promise<void> => {
    const at = { open: caseOf(place, { heard }), ward: place.ward('php'), healer };
    if (heard) await notify('gave_up', at);
    await notify('recovered', at);
  };
  await once(true);
  await once(true);
  await once(false);
  t.match(
    place.told.map(({ text }) => text.split(' (')[0]),
    ['php - goodgateway gave up, a person is needed', 'php is well again', 'php - goodgateway gave up, a person is needed', 'php is well again', 'php is well again'],
    'the last is the first of its kind that nobody was waiting for',
  );
  await once(false);
  t.equal(place.told.length, 5);
});

t.test('only what the policy lists is told', async (t) => {
  const place = await scene(t, { policies: [php({ notify: { to: ['ops'], events: ['recovered'] } })] });
  const at = { open: caseOf(place), ward: place.ward('php'), healer: place.healer };
  for (const event of ['started', 'gave_up', 'blocked', 'repeated'] as const) await notify(event, at);
  t.same(place.told, []);
  t.equal(at.open.told, false, 'so visitors are not told that somebody was');
});

t.test('while a person is waited for it is said again as often as the policy says', async (t) => {
  const place = await scene(t, { policies: [php()] });
  const { clock, told, healer } = place;
  const at = { open: caseOf(place), ward: place.ward('php'), healer };
  noteAsked(at);
  clock.pass(hour - 1);
  await remind(at, {});
  t.same(told, []);
  clock.pass(1);
  await remind(at, { now: 'Still down.' });
  await remind(at, {});
  clock.pass(hour);
  await remind(at, {});
  t.equal(told.length, 2);
  t.match(told[0]?.text, /php - still waits for a person[^]*Now: Still down\. Visitors get what the service answers\.\nPlease: Read its log\./);
});

t.test('a service that waits for a person is told of once, then reminded of, and its end is told', async (t) => {
  const place = await scene(t, {
    policies: [php({ rules: [], notify: { to: ['ops'], events: all, remind_every: '1m' }, verify: { within: '5s', stable_for: '1s', checks: [{ service: 'running' }] } })],
  });
  place.trouble.set('php', { cause: 'service.crashed', state: 'failed' });
  place.incidents.seen(place.ward('php'), down);
  await place.pass(130_000);
  place.trouble.clear();
  await place.pass(10_000);
  t.match(
    place.told.map(({ text }) => text.split(' (')[0]),
    ['php - a person is needed', 'php - still waits for a person', 'php - still waits for a person', 'php is well again'],
  );
});

const settle = { after_recovery: { settle: '30s' } };
const checks = { verify: { checks: [{ service: 'running' }] } };

async function redisRecovers(t: Test, redis: object, others: readonly object[]) {
  const place = await scene(t, { policies: [{ name: 'redis', ...redis }, ...others.map((other) => ({ ...checks, ...other }))], gateways: {} });
  const opened: string[] = [];
  const known = new Map<string, OpenCase>();
  const follow = createAfterRecovery(place.healer, {
    openFor: (service) => known.get(service),
    seen: (ward, symptom) => {
      opened.push(`${ward.name}: ${symptom.text}`);
      known.set(ward.name, caseOf(place));
    },
  });
  return { ...place, opened, known, follow: () => follow(place.ward('redis')) };
}

t.test('R20 dependents: they get time to come back by themselves, and only those in trouble are looked into', async (t) => {
  const { clock, trouble, opened, known, follow, pass } = await redisRecovers(t, settle, [{ name: 'php', depends_on: ['redis'] }, { name: 'node', depends_on: ['redis'] }, { name: 'mail' }]);
  trouble.set('php', { state: 'failed' }).set('node', { state: 'failed' }).set('mail', { state: 'failed' });
  follow();
  await pass(29_000);
  t.same(opened, []);
  trouble.delete('node');
  clock.pass(1000);
  await pass(0);
  t.same(opened, ['php: php did not come back by itself within 30 s of the recovery of redis: php is as the test says'], 'node came back, and mail does not depend on it');
  t.equal(known.get('php')?.followsAnother, true);
});

t.test('R20 dependents: those that the policy names too, each once; and one with an open incident is woken', async (t) => {
  let woken = 0;
  const { trouble, opened, known, follow, pass, ...place } = await redisRecovers(t, { after_recovery: { recheck: ['php', 'node'], restart: ['php', 'nobody'], settle: '10s' } }, [
    { name: 'php', depends_on: ['redis'] },
    { name: 'node' },
  ]);
  trouble.set('php', { state: 'failed' });
  known.set('node', { ...caseOf(place as Scene), wake: () => void woken++ });
  follow();
  follow();
  await pass(20_000);
  t.equal(opened.length, 1);
  t.equal(woken, 1, 'two recoveries in one settling time are one');
});

t.test("R20 dependents: a dependent is restarted by its own policy's rule and limits, and what follows from that is followed no further", async (t) => {
  const rules = (action: string) => [{ name: 'Restart it', when: { cause: 'service.hung' }, try: [{ do: action }] }];
  const well = { verify: { within: '5s', stable_for: '1s', checks: [{ service: 'running' }] } };
  const place = await scene(t, {
    gateways: {},
    policies: [
      { name: 'redis', ...well, rules: [crashed], after_recovery: { restart: ['php', 'app'], settle: '5s' } },
      { name: 'php', ...well, rules: rules('restart'), after_recovery: { restart: ['cron'], settle: '5s' } },
      { name: 'app', ...well },
      { name: 'cron', ...well, rules: rules('restart') },
    ],
  });
  const { trouble, controlled, incidents, told, pass } = place;
  trouble.set('redis', { cause: 'service.crashed', state: 'failed' });
  for (const name of ['php', 'app', 'cron']) trouble.set(name, { cause: 'service.hung', state: 'frozen' });
  incidents.seen(place.ward('redis'), down);
  await pass(60_000);
  t.same(controlled, ['start redis', 'restart php'], 'cron depends on php, which is a level too far');
  t.match(
    told.map(({ text }) => text),
    [/^app - a person is needed.*app did not come back by itself within 5 s of the recovery of redis[^]*no rule is for service\.hung/],
    'a policy without a rule does nothing, and says so',
  );
});

t.test('what is quoted in a message cannot steer it, and no character of it is cut in two', async (t) => {
  const { healer, told } = await scene(t, { policies: [php()] });
  await tell(`down: a\u2028b\u202ec\u2066d\n${'x'.repeat(298)}😀${'y'.repeat(10)}`, { healer, event: 'incident.page' });
  t.same(told[0]?.text.split('\n'), ['down: a b c d', `${'x'.repeat(298)}\ufffd…`]);
});
