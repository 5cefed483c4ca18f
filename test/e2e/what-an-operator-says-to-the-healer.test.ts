/** The real healer, php-fpm as a process with a pidfile, and the commands as an administrator types them. */
import t, { type Test } from 'tap';
import { startGoodgateway, type Goodgateway } from '../support/goodgateway.ts';
import { preparePhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { answersHello } from '../support/php-scripts.ts';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { pidfileService, readyPolicy } from './site.ts';

const skip = missing('php-fpm8.2');
const crashed = { name: 'Crashed, so start it', when: { cause: ['service.crashed', 'service.orphaned_workers'], confidence: 'likely' }, try: [{ do: 'start' }] };
const asksFirst = (within: string) => ({ ...crashed, try: [{ do: 'start', approval: { from: ['ops'], within } }, { do: 'page' }] });

interface Site {
  readonly fpm: PhpFpm;
  readonly gateway: Goodgateway;
  readonly records: (event: string) => ReturnType<Goodgateway['audit']>;
  readonly says: (what: () => unknown, description: string) => Promise<unknown>;
  readonly kill: () => void;
}

async function site(t: Test, rule: Readonly<Record<string, unknown>>): Promise<Site> {
  const fpm = await preparePhpFpm(t, { scripts: { 'hello.php': answersHello } });
  await fpm.start();
  const policy = readyPolicy('php-fpm.yaml', {
    mode: 'act',
    service: pidfileService(fpm),
    rules: [rule],
    'limits.cooldown': '0s',
    'verify.within': '5s',
    'verify.stable_for': '200ms',
    'verify.checks': [{ service: 'running' }, { connect: 'ok' }],
    'watch.every': '100ms',
  });
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ shop: { listen: `unix:${folder}/shop.sock`, protocol: 'fastcgi', upstream: fpm.address, service: 'php-fpm' } }),
    policies: [policy],
    host: { notifiers: undefined, safety: { humans_first: '0s' } },
  });
  const records = (event: string) => gateway.audit().filter((record) => record.event === event);
  return {
    fpm,
    gateway,
    records,
    says: (what, description) => until(what, { timeoutMs: 30_000, what: () => `${description}: ${gateway.log().slice(-3000)}` }),
    kill: fpm.crash,
  };
}

/** The process that the pidfile names, where it lives. */
function master({ fpm }: Site): number | undefined {
  const pid = fpm.masterPid();
  return fpm.processes().some((one) => one.pid === pid) ? pid : undefined;
}

/** Does the proxy's metric say so? */
async function healingOff({ adminUrl }: Site['gateway'], value: 0 | 1): Promise<boolean> {
  return (await (await fetch(`${adminUrl}/metrics`)).text()).includes(`\ngoodgateway_healing_off ${value}\n`);
}

t.test('a pause holds a repair back and expires; off and on; do works all the same, and its stop is not undone', { skip }, async (t) => {
  const scene = await site(t, crashed);
  const { gateway, records, says } = scene;
  const paused = gateway.command('pause', 'php-fpm', '--for', '3s', '--reason', 'deploy 4711');
  await says(() => records('pause.set').length === 1, 'the pause');
  scene.kill();
  await says(() => records('action.refused').length > 0, 'the refusal');
  t.match(await paused, { code: 0, output: /php-fpm is paused until/ });
  await says(() => records('incident.recovered').length === 1, 'the repair after the pause');
  await says(() => records('pause.expired').length === 1, 'the record of its end');
  const set = records('pause.set')[0] as { readonly pause?: { readonly until?: string } } | undefined;
  t.match(set, { actor: { by: /uid \d+/ }, pause: { reason: 'deploy 4711' } });
  t.ok(String(records('action.intent')[0]?.['ts']) >= String(set?.pause?.until), 'nothing was done before the end of the pause');

  t.match(await gateway.command('off', '--reason', 'I look into it'), { code: 0, output: /Healing of this host is off/ });
  await gateway.kill('healer');
  await gateway.kill('proxy');
  await says(() => gateway.log().split('the healer is ready').length === 3, 'the next healer');
  await says(() => healingOff(gateway, 1), 'the next proxy to know that healing is off, of which it saw no record');
  const before = master(scene);
  t.match(await gateway.command('do', 'php-fpm', 'restart', '--reason', 'new certificate'), { code: 0, output: /restart of php-fpm is done/ }, 'by hand, although it is off');
  t.ok(master(scene) !== undefined && master(scene) !== before, 'another master');
  const refused = records('action.refused').length;
  scene.kill();
  await says(() => records('action.refused').length > refused, 'the refusal, also after a kill -9 of the healer');
  t.equal(records('action.intent').length, 2);
  t.match(await gateway.command('status'), { code: 1, output: /healing was switched off .*I look into it; to switch it on: goodgateway on/ });
  t.match(await gateway.command('on'), { code: 0, output: /Healing of this host is on/ });
  await says(() => healingOff(gateway, 0), 'the proxy to hear of it');
  await says(() => records('incident.recovered').length === 2, 'the repair');

  t.match(await gateway.command('do', 'php-fpm', 'stop', '--reason', 'maintenance', '--json'), { code: 0, output: /"ok":true.*stopped on purpose/ });
  await says(() => records('diagnosis.made').some(({ cause }) => cause === 'service.stopped_by_operator'), 'the diagnosis');
  const looks = Number(JSON.parse((await gateway.command('status', '--json')).output).services[0].attempts.used);
  t.equal(records('action.intent').filter(({ action }) => action === 'start').length, looks);
  t.same(scene.fpm.processes(), [], 'and it stays down');
  t.match(await gateway.command('do', 'php-fpm', 'start', '--reason', 'done'), { code: 0 });
  await says(() => records('incident.recovered').length === 3, 'the end');
  t.match(await gateway.command('audit', 'verify'), { code: 0 });
});

t.test('approve carries out exactly once, also after kill -9 of the healer; deny skips; what somebody else restarted is void', { skip }, async (t) => {
  const scene = await site(t, asksFirst('10m'));
  const { gateway, records, says, fpm } = scene;
  // told only when the question is on the disk
  const told = (): readonly string[] => [...gateway.log().matchAll(/goodgateway approve ([0-9A-Z]{6})/g)].map(([, code = '']) => code);
  const newest = async (count: number): Promise<string> => {
    await says(() => new Set(told()).size === count, `question ${count}`);
    return told().at(-1) ?? '';
  };
  scene.kill();
  const first = await newest(1);
  await gateway.kill('healer');
  await says(() => told().length === 2, 'the same question again, after a kill -9');
  t.match(await gateway.command('status'), { code: 1, output: new RegExp(`waits for a person: start by the rule "Crashed, so start it", until .*: goodgateway approve ${first}`) });
  t.match(await gateway.command('approve', first), { code: 0, output: /Approved: start of php-fpm/ });
  t.match(await gateway.command('approve', first), { code: 1, output: /already|no open incident|ended with its incident/ });
  await says(() => records('incident.recovered').length === 1, 'the repair');
  t.equal(records('action.intent').length, 1);

  scene.kill();
  const second = await newest(2);
  await fpm.start();
  t.match(await gateway.command('approve', second), { code: 1, output: /void|no open incident|ended with its incident/ }, 'somebody else was faster');
  await says(() => records('incident.recovered').length === 2, 'the end');
  // the questions of an incident end after it
  await says(() => records('approval.expired').length > 0, 'the end of the question');
  t.match(records('approval.expired'), [{ approval: { code: second }, text: /void/ }]);
  t.equal(records('action.intent').length, 1);

  scene.kill();
  t.match(await gateway.command('deny', await newest(3)), { code: 0, output: /start of php-fpm is skipped/ });
  await says(() => records('action.finished').some(({ action }) => action === 'page'), 'the next step');
  t.equal(records('action.intent').filter(({ action }) => action === 'start').length, 1);
  t.match(records('approval.denied'), [{ actor: { by: /uid \d+/ } }]);
});
