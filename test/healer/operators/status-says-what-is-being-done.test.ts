import t from 'tap';
import { operatorScene, type Scene } from './scene.ts';

interface Service {
  readonly under_way: string | null;
  readonly incident: { readonly step: { readonly doing: string; readonly text: string; readonly since: string; readonly until: string | null } } | null;
}

const service = async (scene: Scene): Promise<Service> => (await scene.status()).services[0] as unknown as Service;
const doing = async (scene: Scene) => (await service(scene)).incident?.step;
const reaches = (scene: Scene, step: string) =>
  scene.passUntil(async () => {
    const now = await doing(scene);
    return now?.doing === step ? now : undefined;
  }, step);

t.test('the step of an incident is told while it lasts: looking, acting, verifying, and then none', async (t) => {
  const scene = await operatorScene(t);
  t.match(await service(scene), { under_way: null, incident: null });
  const { promise, resolve } = Promise.withResolvers<void>();
  scene.service.held.by = promise;
  scene.dies();
  t.match(await doing(scene), { doing: 'looking', text: 'for the cause', until: null });
  const acting = await reaches(scene, 'acting');
  t.equal(acting.text, 'start by the rule "Crashed, so start it"');
  const sinceMs = Date.parse(acting.since);
  t.equal(Date.parse(String(acting.until)) - sinceMs, 60_000, 'a start may take a minute');
  t.match(await service(scene), { under_way: 'start by the rule "Crashed, so start it"' });
  scene.clock.pass(2000);
  t.equal(Date.parse((await doing(scene))?.since ?? ''), sinceMs, 'it goes on since the same moment');
  resolve();
  t.match(await reaches(scene, 'verifying'), { text: 'that it is well, and stays so', until: null });
  await scene.passUntil(() => scene.openCase() === undefined, 'the end of the incident');
  t.match(await service(scene), { under_way: null, incident: null });
});

t.test('what holds a step back is told with the moment at which it ends', async (t) => {
  const scene = await operatorScene(t);
  await scene.ask({ ask: 'pause', service: 'php-fpm', forMs: 60_000, reason: 'new certificate' });
  scene.dies();
  const held = await reaches(scene, 'held_back');
  t.match(held.text, /^start is refused by paused \(/);
  t.equal(Date.parse(String(held.until)) - Date.parse(held.since) > 50_000, true);
  await scene.rounds(3);
  t.equal((await doing(scene))?.since, held.since, 'one look after the other does not begin it anew');
});

t.test('a question, an observer and a service that was given up are told as such', async (t) => {
  const asked = await operatorScene(t, { policy: { mode: 'approve' } });
  asked.dies();
  t.match(await reaches(asked, 'asking'), { text: /^may it start\? goodgateway approve [0-9A-Z]{6} \(or: deny\)$/ });

  const observing = await operatorScene(t, { policy: { mode: 'observe' } });
  observing.dies();
  t.match(await reaches(observing, 'observing'), { text: /^would do start by the rule/, until: null });

  const hopeless = await operatorScene(t, { policy: { give_up: { retry_after: 'never' }, limits: { cooldown: '0s', backoff: { initial: '100ms', max: '100ms' } } } });
  hopeless.service.held.helps = false;
  hopeless.dies();
  t.match(await reaches(hopeless, 'given_up'), { text: /waiting for a human$/, until: null });
});

t.test('a program that the policy says disturbs nobody is not counted against the budget of the host, as its gate does not', async (t) => {
  const scene = await operatorScene(t);
  const step = { action: 'run', options: {}, timeoutMs: 1000, attempt: 1, rung: 0 } as const;
  const begun = { incident: { id: 'i', service: 'php-fpm' }, rule: 'Flush', step, counts: true };
  await scene.update().startStep({ ...begun, budget: 'none' });
  t.match(await scene.status(), { budget: { disruptive: { used: 0 } } });
  await scene.update().startStep({ ...begun, budget: 'disruptive' });
  t.match(await scene.status(), { budget: { disruptive: { used: 1 } } });
});

t.test('who asks every second gets what the watch saw a moment ago, everybody else a look of their own', async (t) => {
  const scene = await operatorScene(t);
  const recent = async (): Promise<unknown> => ((await scene.ask({ ask: 'status', recent: true })) as unknown as { readonly services: readonly { readonly state: string }[] }).services[0]?.state;
  await scene.watchLooks();
  scene.service.set('failed');
  t.equal(await recent(), 'running');
  t.match((await scene.status()).services[0], { state: 'failed' });
  scene.clock.pass(2000);
  t.equal(await recent(), 'failed', 'what is older than the watch’s pause says nothing');
});
