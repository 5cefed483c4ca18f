import t from 'tap';
import { by, operatorScene, type Scene } from './scene.ts';

const second = 1000;
const minute = 60 * second;

const approval = { from: ['ops'], within: '15m' };
/** Hung: a restart needs a yes, then somebody is told. */
const hungRule = (over: Readonly<Record<string, unknown>> = {}) => ({
  rules: [{ name: 'Hung, so restart', when: { cause: 'service.hung' }, try: [{ do: 'restart', attempts: 2, approval: { ...approval, ...over } }, { do: 'page' }] }],
});

/** The code of the newest question. */
async function asked(scene: Scene, count = 1): Promise<string> {
  const code = (): string | undefined => scene.records('approval.asked')[count - 1]?.approval?.code;
  // told only when it is on the disk
  await scene.passUntil(() => scene.told.some((text) => text.includes(`goodgateway approve ${code()} `)), `question ${count}`);
  return code() ?? '';
}

t.test('R15 approval: asked once with the exact command, looks go on, and a yes carries it out exactly once', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  scene.hangs();
  const code = await asked(scene);
  t.match(code, /^[2-9A-HJKMNP-TV-Z]{6}$/);
  t.match(scene.records('approval.asked'), [
    { service: 'php-fpm', action: 'restart', rule: 'Hung, so restart', cause: 'service.hung', approval: { code, from: ['ops'], otherwise: 'skip', fence: 'run 1' } },
  ]);
  t.match(scene.told, [
    new RegExp(
      `^php-fpm - may goodgateway restart it\\? \\(incident \\w{6}\\): .*\nWhy: php-fpm is frozen\\..*\nDone: nothing by goodgateway\\.\nNow: the rule "Hung, so restart" waits 15 min for an answer; without one the step is skipped\\..*\nPlease: goodgateway approve ${code} \\(or: goodgateway deny ${code}\\)$`,
    ),
  ]);
  await scene.rounds(3);
  t.equal(scene.records('approval.asked').length, 1, 'once');
  t.equal(scene.told.length, 1);
  t.same(scene.service.acts, []);
  t.match((await scene.status()).services, [{ questions: [{ code, action: 'restart', rule: 'Hung, so restart' }] }]);

  const lower = `${code.slice(0, 3)}-${code.slice(3)}`.toLowerCase();
  t.match(await scene.ask({ ask: 'approve', code: lower }), { ok: true, text: /^Approved: restart of php-fpm/ });
  t.match(scene.records('approval.given'), [{ actor: { by }, action: 'restart', approval: { code, fence: 'run 1' } }]);
  t.match(await scene.ask({ ask: 'approve', code }), { ok: false, text: /approved already, by maria/ });
  t.match(await scene.ask({ ask: 'deny', code }), { ok: false, text: /approved already/ });
  await scene.passUntil(() => scene.records('incident.recovered').length > 0 && scene.state().incidents.length === 0, 'the end');
  t.same(scene.service.acts, ['restart']);
  t.match(await scene.ask({ ask: 'approve', code }), { ok: false, text: /no open incident has a question.*Nothing is asked at the moment/ });
});

t.test('R15 approval: a yes is for one attempt; the next one is asked about anew, three times at most', async (t) => {
  const rule = { name: 'Crashed, so restart', when: { cause: 'service.crashed' }, try: [{ do: 'restart', attempts: 9, approval }] };
  const safety = { breaker: { open_when: { failed_actions: 9 } } };
  const many = await operatorScene(t, { safety, policy: { rules: [rule], limits: { cooldown: '0s', max_attempts: { times: 9, within: '1h' } } } });
  many.service.held.helps = false;
  many.dies();
  for (const count of [1, 2, 3]) {
    const code = await asked(many, count);
    await many.rounds(2);
    t.equal(many.service.acts.length, count - 1, 'nothing before the answer');
    t.match(await many.ask({ ask: 'approve', code }), { ok: true });
    await many.passUntil(() => many.records('verify.failed').length === count, 'the verification');
    t.match(await many.ask({ ask: 'approve', code }), { ok: false, text: /and was begun/ });
  }
  await many.passUntil(() => many.told.some((text) => /3 questions were asked in this incident already/.test(text)), 'the last word');
  await many.rounds(3);
  t.equal(many.records('approval.asked').length, 3);
  t.equal(many.service.acts.length, 3);
  t.equal(many.told.filter((text) => text.includes('asks no more')).length, 1, 'said once');
});

t.test('R15 approval: a no skips the step for this incident', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  scene.hangs();
  const code = await asked(scene);
  t.match(await scene.ask({ ask: 'deny', code }), { ok: true, text: /^Denied: restart of php-fpm is skipped/ });
  t.match(scene.records('approval.denied'), [{ actor: { by }, approval: { code } }]);
  t.match(await scene.ask({ ask: 'approve', code }), { ok: false, text: /denied already, by maria/ });
  await scene.passUntil(() => scene.records('action.finished').length > 0, 'the next step');
  await scene.rounds(3);
  t.match(
    scene.records('action.intent').map(({ action }) => action),
    ['page'],
  );
  t.same(scene.service.acts, []);
  t.equal(scene.records('approval.asked').length, 1, 'nobody is asked twice');
});

t.test('R15 approval: without an answer within the time, to the millisecond: skip goes on, do acts', async (t) => {
  const skips = await operatorScene(t, { policy: hungRule() });
  skips.hangs();
  const code = await asked(skips);
  const question = skips.state().incidents[0]!.approvals[0]!;
  skips.clock.pass(question.untilMs - 1 - skips.clock.monotonicMs());
  await skips.lookNow();
  t.equal(skips.records('approval.expired').length, 0, 'a millisecond before it is still a question');
  skips.clock.pass(1);
  t.match(await skips.ask({ ask: 'approve', code }), { ok: false, text: /nobody answered in time/ });
  await skips.passUntil(() => skips.records('action.finished').length > 0, 'the next step');
  t.match(skips.records('approval.expired'), [{ approval: { code, otherwise: 'skip' }, text: 'nobody answered within 15 min: restart is skipped' }]);
  t.match(
    skips.records('action.intent').map(({ action }) => action),
    ['page'],
  );
  t.same(skips.service.acts, []);

  const does = await operatorScene(t, { policy: hungRule({ otherwise: 'do' }) });
  does.hangs();
  await asked(does);
  t.match(does.told, [/without one the step is done/]);
  does.clock.pass(15 * minute - 2 * second);
  await does.lookNow();
  t.same(does.service.acts, []);
  await does.passUntil(() => does.records('incident.recovered').length > 0, 'the repair');
  t.match(does.records('approval.expired'), [{ text: /restart is done, as the policy says/ }]);
  t.same(does.service.acts, ['restart']);
});

t.test('R15 approval: bound to the run of the service; whoever restarts it makes the question void', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  scene.hangs();
  const code = await asked(scene);
  scene.service.set('frozen', 'run of somebody else');
  t.match(await scene.ask({ ask: 'approve', code }), { ok: false, text: /is void: php-fpm is not the run any more that it was asked about/ });
  const second = await asked(scene, 2);
  t.not(second, code);
  t.match(scene.records('approval.expired'), [{ approval: { code }, text: /is void/ }]);
  t.match(await scene.ask({ ask: 'approve', code }), { ok: false, text: /void/ });
  t.match(await scene.ask({ ask: 'approve', code: second }), { ok: true });
  await scene.passUntil(() => scene.records('incident.recovered').length > 0, 'the end');
  t.same(scene.service.acts, ['restart']);
});

t.test('R15 approval: a yes does not outlive the run that it was given for, nor the policy', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  scene.hangs();
  const code = await asked(scene);
  await scene.ask({ ask: 'pause', service: 'php-fpm', forMs: 10 * minute, reason: 'deploy' });
  t.match(await scene.ask({ ask: 'approve', code }), { ok: true, text: /But nothing is done yet: healing of php-fpm is paused/ });
  await scene.lookNow();
  scene.service.set('frozen', 'run of the deploy');
  await scene.ask({ ask: 'resume', service: 'php-fpm' });
  await asked(scene, 2);
  t.same(scene.service.acts, []);
  t.match(scene.records('approval.expired'), [{ approval: { code }, text: /void/ }]);
  await scene.restart(0, 'b'.repeat(64));
  const third = await asked(scene, 3);
  t.match(scene.records('approval.expired').length, 2, 'the policy was changed, so the second question is void, too');
  t.match(await scene.ask({ ask: 'approve', code: third }), { ok: true });
});

t.test('R15 approval: an incident that ends by itself ends its question, and who was asked is told', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  scene.hangs();
  const code = await asked(scene);
  scene.service.set('running', 'run 1');
  await scene.passUntil(() => scene.told.length > 1 && scene.openCase() === undefined, 'the end');
  t.match(scene.records('approval.expired'), [{ approval: { code }, text: /is void: php-fpm is well again/ }]);
  t.equal(scene.told.length, 2);
  t.match(scene.told[1], /is void: php-fpm is well again/);
  t.same(scene.service.acts, []);
});

t.test('R15 approval: a policy that is read again while the incident goes on under the old one takes nobody the answer', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  scene.hangs();
  const code = await asked(scene);
  scene.reload('b'.repeat(64));
  t.match(await scene.ask({ ask: 'approve', code }), { ok: true });
  t.match(scene.records('approval.given'), [{ policy: { sha256: 'a'.repeat(64) } }], 'of the policy that was asked about');
  await scene.passUntil(() => scene.records('incident.recovered').length > 0, 'the end');
  t.same(scene.service.acts, ['restart']);
});

t.test('R15 approval: survives kill -9 of the healer, before and after the answer', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  scene.hangs();
  const code = await asked(scene);
  await scene.restart(minute);
  await scene.passUntil(() => scene.told.length === 2, 'the reminder');
  t.match(scene.told[1], new RegExp(`waits 14 min for an answer.*\nPlease: goodgateway approve ${code}`));
  await scene.rounds(2);
  t.equal(scene.records('approval.asked').length, 1, 'the same question, not another one');
  t.match(await scene.ask({ ask: 'approve', code }), { ok: true });
  await scene.restart();
  await scene.passUntil(() => scene.records('incident.recovered').length > 0, 'the end');
  t.same(scene.service.acts, ['restart']);
});

t.test('R15 approval: mode approve asks before what touches the service, and for nothing else', async (t) => {
  const rules = [{ name: 'Hung, so tell and restart', when: { cause: 'service.hung' }, try: [{ do: 'page' }, { do: 'restart' }] }];
  const scene = await operatorScene(t, { policy: { mode: 'approve', rules } });
  scene.hangs();
  const code = await asked(scene);
  t.match(
    scene.records('action.intent').map(({ action }) => action),
    ['page'],
  );
  t.match(scene.records('approval.asked'), [{ action: 'restart', approval: { from: ['ops'], otherwise: 'skip' } }]);
  await scene.ask({ ask: 'approve', code });
  await scene.passUntil(() => scene.records('incident.recovered').length > 0, 'the end');
  t.same(scene.service.acts, ['restart']);
});

t.test('R15 approval: nobody is asked while anything else stands in the way', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  await scene.ask({ ask: 'off', service: 'php-fpm', reason: 'I look into it' });
  scene.hangs();
  await scene.passUntil(() => scene.records('action.refused').length > 0, 'the refusal');
  await scene.rounds(2);
  t.equal(scene.records('approval.asked').length, 0);
  await scene.ask({ ask: 'on', service: 'php-fpm' });
  await asked(scene);
});

t.test('R15 approval: no audit, no question and no yes; a no is taken all the same', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  scene.hangs();
  const code = await asked(scene);
  scene.disk.full = true;
  t.match(await scene.ask({ ask: 'approve', code }), { ok: false, text: /nothing was changed, because it could not be recorded/ });
  await scene.rounds(2);
  t.same(scene.service.acts, []);
  t.match(await scene.ask({ ask: 'deny', code }), { ok: true, text: /could not be recorded/ });
  scene.disk.full = false;

  const other = await operatorScene(t, { policy: hungRule() });
  other.hangs();
  await other.passUntil(() => other.records('incident.opened').length > 0, 'the incident');
  other.disk.full = true;
  await other.passUntil(() => other.told.length > 0, 'the complaint');
  t.match(other.told, [/nobody can be asked to approve restart, because the question could not be kept: the disk is full/]);
  t.same(other.state().incidents[0]?.approvals, []);
  await other.rounds(3);
  t.equal(other.told.length, 1, 'once a minute at most');
  other.disk.full = false;
  other.clock.pass(minute);
  await asked(other);
});

t.test('two answers in the same moment: one counts, the other is told', async (t) => {
  const scene = await operatorScene(t, { policy: hungRule() });
  scene.hangs();
  const code = await asked(scene);
  const answers = await Promise.all([scene.ask({ ask: 'deny', code }), scene.ask({ ask: 'approve', code }), scene.ask({ ask: 'approve', code })]);
  t.match(
    answers.map(({ ok }) => ok),
    [true, false, false],
  );
  t.equal(scene.records('approval.given').length, 0);
  t.match(await scene.ask({ ask: 'approve', code: 'NOCODE' }), { ok: false, text: /no open incident has a question "NOCODE"/ });
});
