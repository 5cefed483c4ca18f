import t from 'tap';
import { lookAround } from '../../../src/healer/look-around.ts';
import { noticeHumans } from '../../../src/healer/notice-humans.ts';
import type { ServiceState } from '../../../src/healer/leaves.ts';
import { smallHealer } from '../../fixtures/healer/small-healer.ts';

const running: ServiceState = { state: 'running', text: 'it runs', pids: [7], fence: '7:1' };
const incident = { id: '01JDDDDDDDDDDDDDDDDDDDDDDD', service: 'mariadb', openedAtMs: 0, symptom: { seenBy: 'watch', kind: 'service_down', count: 1, text: 'it is down' } } as const;

t.test('R20 dependency order: an open incident of a dependency is a fact, and so is its recovery until it has settled', async (t) => {
  const { healer, ward, clock } = await smallHealer(t, { policies: { 'php-fpm': { depends_on: ['mariadb'] }, mariadb: { after_recovery: { settle: '40s' } }, other: {} } });
  const dependencies = async (name = 'php-fpm') => (await lookAround(ward(name), running, healer)).dependencies;
  t.same(await dependencies(), []);

  await healer.state.openIncident(incident, 0);
  t.same(await dependencies(), [{ service: 'mariadb', text: 'mariadb, which it depends on, has an open incident (DDDDDD): it is down' }]);
  t.same(await dependencies('other'), [], 'who does not depend on it is not concerned');

  await healer.state.endVerification(incident, 'recovered');
  t.match(await dependencies(), [{ text: /has an open incident/ }], 'as long as it is not closed');
  await healer.state.closeIncident(incident.id);
  const recoveredMs = clock.monotonicMs();
  clock.pass(10_000);
  const [settling] = await dependencies();
  t.match(settling, { service: 'mariadb', text: 'mariadb, which it depends on, recovered 10 s ago; it gets 40 s to come back by itself', untilMs: recoveredMs + 40_000 });
  clock.pass(29_999);
  t.equal((await dependencies()).length, 1);
  clock.pass(1);
  t.same(await dependencies(), []);
});

t.test('R20 dependency order: without after_recovery it is 30 s', async (t) => {
  const { healer, ward, clock } = await smallHealer(t, { policies: { 'php-fpm': { depends_on: ['mariadb'] }, mariadb: {} } });
  await healer.state.endVerification(incident, 'recovered');
  clock.pass(29_999);
  t.match((await lookAround(ward('php-fpm'), running, healer)).dependencies, [{ text: /it gets 30 s/ }]);
  clock.pass(1);
  t.same((await lookAround(ward('php-fpm'), running, healer)).dependencies, []);
});

t.test('R20 dependency order: a dependency that the watch sees down counts before its incident, and only while that is news', async (t) => {
  const { healer, ward, clock } = await smallHealer(t, { policies: { 'php-fpm': { depends_on: ['mariadb', 'nobody'] }, mariadb: { watch: { every: '1s' } } } });
  const dependencies = async () => (await lookAround(ward('php-fpm'), running, healer)).dependencies;
  await noticeHumans(ward('mariadb'), { state: 'unknown', text: 'not to be found out', pids: [], fence: '' }, healer);
  t.same(await dependencies(), [], 'not knowing hinders nobody');
  await noticeHumans(ward('mariadb'), { state: 'failed', text: 'its process is gone', pids: [], fence: '' }, healer);
  t.same(await dependencies(), [{ service: 'mariadb', text: 'mariadb, which it depends on, is failed: its process is gone' }]);
  clock.pass(10_001);
  t.same(await dependencies(), [], 'a watch that hangs says nothing about now');
});

t.test('R17 change detection: a job of systemd counts where it is listed', async (t) => {
  const changing: ServiceState = { ...running, changing: 'systemd has a job for it: restart, waiting' };
  const listed = await smallHealer(t, { policies: { shop: {} } });
  t.same((await lookAround(listed.ward('shop'), changing, listed.healer)).changes, [{ text: 'systemd has a job for it: restart, waiting' }]);
  t.same((await lookAround(listed.ward('shop'), running, listed.healer)).changes, []);
  const unlisted = await smallHealer(t, { policies: { shop: {} }, safety: { pause_when: ['deploy_running'] } });
  t.same((await lookAround(unlisted.ward('shop'), changing, unlisted.healer)).changes, []);
});

t.test('R21 one healer: what the host and the other healer say reaches every decision', async (t) => {
  const { healer, ward } = await smallHealer(t, {
    policies: { shop: {} },
    around: { host: async () => ({ changes: [{ text: 'a deploy' }], unfit: [{ what: 'disk', text: 'full' }] }), otherHealer: async () => ({ text: 'process 9 acts' }) },
  });
  t.same(await lookAround(ward('shop'), running, healer), { changes: [{ text: 'a deploy' }], unfit: [{ what: 'disk', text: 'full' }], dependencies: [], otherHealer: { text: 'process 9 acts' } });
});
