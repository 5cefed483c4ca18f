/** Crawlers keep every worker busy with slow pages while others pay: who is turned away, who is not, and what is not restarted. */
import t, { type Test } from 'tap';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { ask, startSite, type Asked } from './site.ts';

const rules = [
  {
    name: 'Busy is not broken, so spare it',
    when: { cause: ['capacity.workers_exhausted', 'capacity.backlog_full'] },
    never: ['reload', 'restart', 'stop'],
    try: [{ do: 'shed_load', with: { keep: '50%', retry_after: '7s' } }],
  },
];

/** One request each `everyMs`, whether those before were answered or not, until it is stopped; all answers. */
function visit(t: Test, everyMs: number, one: () => Promise<Asked>): { readonly answers: readonly Asked[]; stop(): Promise<readonly Asked[]> } {
  const answers: Asked[] = [];
  const under: Promise<unknown>[] = [];
  const timer = setInterval(() => under.push(one().then((answer) => answers.push(answer))), everyMs);
  const stop = async (): Promise<readonly Asked[]> => {
    clearInterval(timer);
    await Promise.all(under);
    return answers;
  };
  t.teardown(() => clearInterval(timer));
  return { answers, stop };
}

t.test('crawlers are asked to come back, who pays goes on, nothing is restarted, and in the end everybody is in', { skip: missing('nginx', 'php-fpm8.2') }, async (t) => {
  const site = await startSite(t, {
    fpm: { maxChildren: 4 },
    policy: { rules, hung_after: '1s', while_recovering: { say: 'The sale has begun.' } },
    gateway: { hold: { for: '60s', requests: 2000 } },
    failOpen: false,
  });
  const master = site.fpm.masterPid();
  const shedding = async (): Promise<unknown> => (await site.gateway.state('shop'))['shedding'];
  const isShedding = (what: string): Promise<unknown> => until(shedding, { timeoutMs: 30_000, what: () => `${what}: ${site.gateway.log().slice(-2000)}` });

  const crawlers = visit(t, 200, () => ask(`${site.nginx.url}/late.php?ms=3000`, { headers: { 'user-agent': 'Mozilla/5.0 (compatible; Examplebot/2.1)', accept: 'text/html' } }));
  const checkouts = visit(t, 400, () => ask(`${site.nginx.url}/hello.php`, { headers: { cookie: 'woocommerce_items_in_cart=1' } }));
  await isShedding('load to be shed');
  await until(() => crawlers.answers.filter(({ status }) => status === 503).length >= 5, { timeoutMs: 20_000, what: 'crawlers that are turned away' });

  await site.gateway.kill('healer');
  t.ok(await shedding(), 'it goes on while the healer is away');
  await until(() => site.records('agent.started').length === 2, { timeoutMs: 20_000, what: 'the next healer' });

  const turnedAway = (await crawlers.stop()).filter(({ status }) => status === 503);
  t.same(
    crawlers.answers.filter(({ status }) => status !== 503 && status !== 200),
    [],
  );
  t.match(turnedAway[0]?.headers, { 'proxy-status': 'goodgateway; error=http_request_denied; details="load shed"' });
  t.ok(
    turnedAway.every(({ headers, text }) => /^[789]$/.test(String(headers['retry-after'])) && text.includes('The sale has begun.')),
    'they are told when to come back, in the words of the administrator',
  );
  await until(() => site.records('incident.opened').length === site.records('incident.recovered').length, { timeoutMs: 40_000, what: () => `the end: ${site.gateway.log().slice(-2000)}` });
  await until(async () => (await shedding()) === null, { timeoutMs: 15_000, what: 'everybody to be let in' });
  t.ok(site.records('undo.done').length > 0);
  t.same(
    (await checkouts.stop()).filter(({ status }) => status !== 200),
    [],
    `each of ${checkouts.answers.length} checkouts was answered`,
  );
  t.equal((await ask(`${site.nginx.url}/hello.php`, { headers: { 'user-agent': 'Examplebot' } })).status, 200);
  t.same([...new Set(site.records('action.intent').map(({ action }) => action))], ['shed_load']);
  t.equal(site.fpm.masterPid(), master, 'nothing was restarted');
  t.match(await site.gateway.command('audit', 'verify'), { code: 0 });
});
