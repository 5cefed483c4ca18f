import t from 'tap';
import { until } from '../../support/until.ts';
import { by, operatorScene } from './scene.ts';

const minute = 60_000;

t.test('R16 pauses: nothing is done meanwhile, the end comes by itself to the millisecond, and is on record', async (t) => {
  const scene = await operatorScene(t);
  const began = scene.clock.wallMs();
  const answer = await scene.ask({ ask: 'pause', service: 'php-fpm', forMs: 30 * minute, reason: 'deploy 4711' });
  t.match(answer, { ok: true, text: /php-fpm is paused until 2026-11-22T03:30:00.000Z \(30 min\).*goodgateway resume php-fpm/ });
  t.match(scene.records('pause.set'), [{ service: 'php-fpm', actor: { by }, pause: { until: '2026-11-22T03:30:00.000Z', reason: 'deploy 4711' } }]);
  scene.dies();
  await scene.passUntil(() => scene.records('action.refused').length > 0, 'the refusal');
  t.match(
    scene.records('action.refused')[0]?.gates?.filter(({ verdict }) => verdict === 'refuse'),
    [{ gate: 'paused', reason: /deploy 4711/, allowed_at: '2026-11-22T03:30:00.000Z' }],
  );
  scene.clock.pass(began + 30 * minute - 1 - scene.clock.wallMs());
  await scene.lookNow();
  t.same(scene.service.acts, [], 'not a millisecond before');
  scene.clock.pass(1);
  const looks = (): boolean => {
    scene.openCase()?.wake();
    return scene.service.acts.length > 0;
  };
  await until(looks, { timeoutMs: 15_000, what: 'the repair' });
  t.same(scene.service.acts, ['start']);
  await scene.passUntil(() => scene.state().services.get('php-fpm')?.paused === undefined, 'the end of the pause');
  t.match(scene.records('pause.expired'), [{ service: 'php-fpm', actor: 'auto', pause: { reason: 'deploy 4711' } }]);
});

t.test('R16 pauses: of the whole host, ended by hand, and one that ends while no healer runs is recorded at the next start', async (t) => {
  const scene = await operatorScene(t);
  await scene.ask({ ask: 'pause', forMs: 10 * minute, reason: 'kernel update' });
  scene.dies();
  await scene.passUntil(() => scene.records('action.refused').length > 0, 'the refusal');
  t.match(await scene.ask({ ask: 'resume' }), { ok: true, text: 'The pause of this host is ended.' });
  t.match(scene.records('pause.ended'), [{ actor: { by } }]);
  await scene.passUntil(() => scene.records('incident.recovered').length > 0, 'the repair');
  t.match(await scene.ask({ ask: 'resume' }), { ok: true, text: /not paused/ }, 'what is so already is no failure: scripts end with it');

  await scene.ask({ ask: 'pause', service: 'php-fpm', forMs: 5 * minute, reason: 'deploy' });
  await scene.restart(6 * minute);
  await scene.passUntil(() => scene.records('pause.expired').length > 0, 'the record of the end');
  t.match((await scene.status()).services, [{ paused: null }]);
  await scene.ask({ ask: 'resume', service: 'php-fpm' }); // has its turn when that end is on the disk
  await scene.restart();
  scene.clock.pass(5 * minute);
  await scene.ask({ ask: 'off', service: 'php-fpm', reason: 'to have a turn in the queue' });
  t.equal(scene.records('pause.expired').length, 1, 'once');
});

t.test('R29 people first: off holds until on, over a restart; the answer says what else holds', async (t) => {
  const scene = await operatorScene(t);
  t.match(await scene.ask({ ask: 'off', reason: 'I look into it myself' }), { ok: true, text: /Healing of this host is off.*goodgateway on\./ });
  t.match(await scene.ask({ ask: 'off', service: 'php-fpm', reason: 'and this one' }), { ok: true });
  t.match(await scene.ask({ ask: 'off', reason: 'another' }), { ok: true, text: /already, since 2026-11-22T03:00:00.000Z by maria.*I look into it myself/ });
  t.match(scene.records('healing.off'), [{ actor: { by }, pause: { reason: 'I look into it myself' } }, { service: 'php-fpm' }]);
  await scene.restart();
  scene.dies();
  await scene.passUntil(() => scene.records('action.refused').length > 0, 'the refusal');
  t.match(await scene.status(), { healing: 'off', off: { by, reason: 'I look into it myself' }, services: [{ off: { by } }] });
  t.match(await scene.ask({ ask: 'on' }), { ok: true, text: 'Healing of this host is on.' });
  t.match(await scene.ask({ ask: 'resume', service: 'php-fpm' }), { text: /But nothing is done yet: healing of php-fpm is switched off by maria.*goodgateway on php-fpm/ });
  await scene.rounds(2);
  t.same(scene.service.acts, []);
  t.match(await scene.ask({ ask: 'on', service: 'php-fpm' }), { ok: true, text: 'Healing of php-fpm is on.' });
  await scene.passUntil(() => scene.records('incident.recovered').length > 0, 'the repair');
  t.same(scene.service.acts, ['start']);
  t.match(await scene.ask({ ask: 'on' }), { ok: true, text: /was not switched off/ });
  const forbidden = await operatorScene(t, { safety: { enabled: false } });
  t.match(await forbidden.ask({ ask: 'on' }), { ok: false, text: /safety.enabled: false/ }, 'no command overrides the configuration');
});

t.test('R29 people first: on for the host closes the circuit breaker, and its failures do not open it again', async (t) => {
  const scene = await operatorScene(t);
  const failure = { service: 'php-fpm', incident: 'A', atMs: scene.clock.monotonicMs() };
  await scene.update().updateHost((host) => ({ ...host, failures: [failure, failure, failure], breaker: { openedAtMs: scene.clock.monotonicMs(), reason: '3 attempts failed', tried: false } }));
  t.match(await scene.status(), { breaker: { reason: '3 attempts failed', since: '2026-11-22T03:00:00.000Z' }, budget: { disruptive: { used: 0, of: 6 }, starts: { used: 0, of: 12 } } });
  t.match(await scene.ask({ ask: 'ack', service: 'php-fpm' }), { text: /the circuit breaker is open.*goodgateway on/ }, 'ack is about one service');
  t.match(await scene.ask({ ask: 'on' }), { ok: true, text: 'The circuit breaker is closed.' });
  t.same(scene.state().host, { failures: [] });
  t.match(scene.records('breaker.closed'), [{ actor: { by } }]);
});

t.test('R5 give up: ack ends it, the rules begin anew, and attempts still count', async (t) => {
  const policy = { limits: { cooldown: '0s', max_attempts: { times: 2, within: '1h' } } };
  const scene = await operatorScene(t, { policy });
  scene.service.held.helps = false;
  t.match(await scene.ask({ ask: 'ack', service: 'php-fpm' }), { ok: true, text: /was not given up/ });
  scene.dies();
  await scene.passUntil(() => scene.records('incident.gave_up').length > 0, 'the end of the ladder');
  t.match((await scene.status()).services, [{ gave_up: /was tried/, gave_up_since: /^2026/ }]);
  await scene.rounds(2);
  t.same(scene.service.acts, ['start']);
  const told = scene.told.length;
  t.match(await scene.ask({ ask: 'ack', service: 'php-fpm' }), { ok: true, text: /^php-fpm may be repaired again; its rules begin anew\.$/ });
  t.match(scene.records('incident.acknowledged'), [{ actor: { by }, service: 'php-fpm', incident: scene.records('incident.gave_up')[0]?.incident }]);
  await scene.passUntil(() => scene.records('incident.gave_up').length > 1, 'the second give-up');
  t.same(scene.service.acts, ['start', 'start']);
  t.ok(scene.told.length > told, 'people are told once more');
  t.match(await scene.ask({ ask: 'ack', service: 'php-fpm' }), { ok: true, text: /2 of 2 attempts within 1 h are used, so the next one is made in .*goodgateway do php-fpm/ });
  await scene.rounds(2);
  t.same(scene.service.acts, ['start', 'start'], 'no word talks the limit away');
});

t.test('no audit: what restrains is done and says so, what permits is refused', async (t) => {
  const scene = await operatorScene(t);
  await scene.ask({ ask: 'pause', service: 'php-fpm', forMs: minute, reason: 'deploy' });
  scene.disk.full = true;
  t.match(await scene.ask({ ask: 'off', reason: 'the disk is full' }), { ok: true, text: /is off.*It could not be recorded: the disk is full/ });
  t.ok(scene.state().host.off, 'and it is off');
  t.match(await scene.ask({ ask: 'on' }), { ok: false, text: /nothing was changed, because it could not be recorded/ });
  t.ok(scene.state().host.off, 'and it is still off');
  t.match(await scene.ask({ ask: 'resume', service: 'php-fpm' }), { ok: false });
  t.ok(scene.state().services.get('php-fpm')?.paused);
  t.match(await scene.ask({ ask: 'do', service: 'php-fpm', action: 'restart', reason: 'now', force: false }), { ok: false, text: /restart is not done, because it could not be recorded/ });
  t.same(scene.service.acts, []);
});

t.test('a service that does not exist is refused with the names of those that do', async (t) => {
  const scene = await operatorScene(t);
  for (const wish of [
    { ask: 'pause', service: 'php-fmp', forMs: minute, reason: 'deploy' },
    { ask: 'off', service: 'php-fmp', reason: 'deploy' },
    { ask: 'on', service: 'php-fmp' },
    { ask: 'ack', service: 'php-fmp' },
    { ask: 'do', service: 'php-fmp', action: 'start', reason: 'deploy', force: false },
  ] as const)
    t.match(await scene.ask(wish), { ok: false, text: 'there is no service "php-fmp"; did you mean php-fpm? Services of this host: php-fpm' }, wish.ask);
});
