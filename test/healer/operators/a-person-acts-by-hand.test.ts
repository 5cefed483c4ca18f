import t from 'tap';
import { by, operatorScene, type Scene } from './scene.ts';
import { until } from '../../support/until.ts';

const minute = 60_000;
const order = { ask: 'do', service: 'php-fpm', reason: 'new certificate', force: false } as const;

/** What the service does until the promise's owner lets it go on. */
function hold(scene: Scene): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  scene.service.held.by = promise;
  return () => {
    scene.service.held.by = undefined;
    resolve();
  };
}

t.test('R29 people first: do acts whatever pause, switch, breaker, give-up and limits say, on the record, and counts as no attempt', async (t) => {
  const scene = await operatorScene(t);
  await scene.ask({ ask: 'pause', forMs: minute, reason: 'deploy' });
  await scene.ask({ ask: 'off', service: 'php-fpm', reason: 'hands off' });
  const now = scene.clock.monotonicMs();
  await scene.update().updateHost((host) => ({ ...host, breaker: { openedAtMs: now, reason: 'it did not help', tried: true } }));
  await scene.update().updateService('php-fpm', (known) => ({ ...known, gaveUp: { incident: 'A', reason: 'it did not help', sinceMs: now, retried: true } }));
  const answer = await scene.ask({ ...order, action: 'restart' });
  t.match(answer, { ok: true, text: /^restart of php-fpm is done: did restart at \d+\. Now: php-fpm is running\.$/ });
  t.same(scene.service.acts, ['restart']);
  t.match(scene.records('action.intent'), [{ action: 'restart', actor: { by }, service: 'php-fpm', fence: 'run 1', text: /by hand, asked for by maria.*new certificate/ }]);
  t.match(scene.records('action.finished'), [{ actor: { by }, outcome: { result: 'done' }, action_id: scene.records('action.intent')[0]?.action_id }]);
  t.equal(scene.records('action.intent')[0]?.incident, undefined, 'nothing was wrong');
  t.same(scene.state().attempts, []);
  t.match(scene.state().services.get('php-fpm')?.humanActed, { atMs: scene.clock.monotonicMs(), text: /restart by maria/ }, 'the healer steps aside for a while');
});

t.test('R29 people first: do start brings back what was stopped on purpose, do stop is not undone', async (t) => {
  const scene = await operatorScene(t);
  t.match(await scene.ask({ ...order, action: 'stop' }), { ok: true, text: /^stop of php-fpm is done.*Now: php-fpm is stopped\.$/ });
  scene.isSeenDown();
  await scene.passUntil(() => scene.records('diagnosis.made').length > 0, 'the diagnosis');
  await scene.rounds(3);
  t.same(scene.service.acts, ['stop']);
  t.match(await scene.ask({ ...order, action: 'start' }), { ok: true });
  await scene.passUntil(() => scene.records('incident.recovered').length > 0, 'the end');
  t.same(scene.service.acts, ['stop', 'start']);
});

t.test('R29 people first: what the watch sees of an act by hand is not recorded once more, as the work of somebody unknown', async (t) => {
  const scene = await operatorScene(t);
  await scene.watchLooks();
  const goOn = hold(scene);
  const answer = scene.ask({ ...order, action: 'restart' });
  await until(() => scene.service.acts.length === 1, { timeoutMs: 15_000, what: 'the act' });
  scene.service.set('running', 'run 9');
  await scene.watchLooks();
  goOn();
  t.match(await answer, { ok: true });
  t.same(scene.records('human.acted'), []);
});

t.test('do is refused where it could not be what is meant', async (t) => {
  const run = (program: string) => ({ do: 'run', with: { command: [program] } });
  const rules = [{ name: 'Crashed, so call', when: { cause: 'service.crashed' }, try: [run('/bin/true'), run('/bin/false')] }];
  const scene = await operatorScene(t, { policy: { rules, never: ['restart'] } });
  const table = [
    ['restart', /the policy php-fpm forbids restart altogether/],
    ['reload', /the policy of php-fpm offers no reload/],
    ['run', /has 2 steps run with different options/],
    ['page', /page is nothing that can be done to a service by hand; these are: .*start, stop/],
  ] as const;
  for (const [action, text] of table) t.match(await scene.ask({ ...order, action }), { ok: false, text });
  const bare = await operatorScene(t);
  t.match(await bare.ask({ ...order, action: 'run' }), { ok: false, text: /run needs options, and the policy php-fpm has no step run/ });
  const external = await operatorScene(t, { policy: { service: { type: 'external' } } });
  t.match(await external.ask({ ...order, action: 'start' }), { ok: false, text: /php-fpm is external/ });
  t.same([...scene.service.acts, ...bare.service.acts, ...external.service.acts], []);
  t.equal(scene.records('action.intent').length, 0);
});

t.test('do into a configuration that fails its test takes a second word', async (t) => {
  const scene = await operatorScene(t);
  scene.service.held.test = ['/bin/sh', '-c', 'echo "ERROR: unknown entry foo in line 3"; exit 78'];
  t.match(await scene.ask({ ...order, action: 'restart' }), {
    ok: false,
    text: /restart is not done, because the configuration of php-fpm fails its own test: ERROR: unknown entry foo in line 3\. Correct it, or add --force/,
  });
  t.same(scene.service.acts, []);
  t.match(await scene.ask({ ...order, action: 'start' }), { ok: true }, 'a start has nothing to lose');
  t.match(await scene.ask({ ...order, action: 'restart', force: true }), { ok: true, text: /Done in spite of this: .*unknown entry foo/ });
  t.same(scene.service.acts, ['start', 'restart']);
});

t.test('never two acts on one service: do is refused while another act runs, a round waits for do and looks anew', async (t) => {
  const scene = await operatorScene(t);
  const release = hold(scene);
  scene.dies();
  await scene.passUntil(() => scene.service.acts.length > 0, 'the repair');
  t.match(await scene.ask({ ...order, action: 'restart' }), { ok: false, text: /at this moment something else is done to php-fpm: start by the rule "Crashed, so start it"/ });
  release();
  await scene.passUntil(() => scene.records('incident.recovered').length > 0 && scene.openCase() === undefined, 'the end');
  t.same(scene.service.acts, ['start']);

  await scene.ask({ ask: 'off', reason: 'mine' });
  scene.dies();
  await scene.passUntil(() => scene.records('action.refused').length > 0, 'an open incident');
  const again = hold(scene);
  const doing = scene.ask({ ...order, action: 'restart' });
  await until(() => scene.service.acts.length === 2, { timeoutMs: 15_000, what: 'the act' });
  t.match(await scene.ask({ ...order, action: 'stop' }), { ok: false, text: /restart, as maria/ });
  await scene.ask({ ask: 'on' });
  await scene.rounds(3);
  t.same(scene.service.acts, ['start', 'restart'], 'it does not, while the restart is under way');
  again();
  t.match(await doing, { ok: true });
  await scene.passUntil(() => scene.records('incident.recovered').length === 2, 'the end');
  t.same(scene.service.acts, ['start', 'restart'], 'and afterwards there is nothing left to do');
  t.match(scene.records('incident.recovered')[1], { outcome: { detail: 'restart by hand' } });
});

t.test('what an act by hand looks like from outside opens no incident; what is left of it does', async (t) => {
  const scene = await operatorScene(t);
  const release = hold(scene);
  const doing = scene.ask({ ...order, action: 'restart' });
  await until(() => scene.service.acts.length === 1, { timeoutMs: 15_000, what: 'the act' });
  scene.dies();
  t.equal(scene.openCase(), undefined);
  scene.service.held.helps = false;
  release();
  await doing;
  scene.isSeenDown();
  t.not(scene.openCase(), undefined);
});

t.test('do in an incident belongs to it, and a kill -9 in the middle of it is told, not repeated', async (t) => {
  const scene = await operatorScene(t);
  await scene.ask({ ask: 'off', reason: 'mine' });
  scene.dies();
  await scene.passUntil(() => scene.records('action.refused').length > 0, 'the refusal');
  const incident = scene.openCase()?.incident.id;
  scene.service.held.helps = false;
  t.match(await scene.ask({ ...order, action: 'start' }), { ok: true, text: /Now: php-fpm is failed/ });
  t.match(scene.records('action.intent'), [{ incident, actor: { by } }]);
  hold(scene);
  void scene.ask({ ...order, action: 'restart' });
  await until(() => scene.service.acts.length === 2, { timeoutMs: 15_000, what: 'the act' });
  scene.service.held.by = undefined;
  await scene.restart();
  t.match(scene.records('action.unknown'), [{ incident, action: 'restart', text: /had begun when the healer ended/ }]);
  await scene.rounds(2);
  t.same(scene.service.acts, ['start', 'restart']);
});
