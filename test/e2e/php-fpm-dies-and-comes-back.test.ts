import { readFileSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { startLoad, summarise, type LoadResult } from '../support/load.ts';
import { processInfo, signal } from '../support/processes.ts';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { ask, startSite, type Site } from './site.ts';
import { wasUnderWay } from './unit-host.ts';

const skip = missing('nginx', 'php-fpm8.2');
const rate = 100;
const recoveredWithinMs = 30_000;

/** 100 requests a second, one in five a POST, to a page that writes each execution into a file. */
function load(t: Test, { nginx }: Site): ReturnType<typeof startLoad> {
  return startLoad(t, { port: nginx.port, rate, posts: 0.2, path: (_method, id) => `/record.php?id=${id}` });
}

type Death = Parameters<typeof wasUnderWay>[1];

/** Ends what `kill` ends; from when to when somebody could be sent to a process that will never answer. */
async function death(pids: readonly number[], kill: () => unknown): Promise<Death> {
  const fromMs = Date.now();
  kill();
  await until(() => !pids.some((pid) => processInfo(pid)), { timeoutMs: recoveredWithinMs, what: 'the end of every process' });
  return { fromMs, toMs: Date.now() };
}

/** What an administrator would ask of a repair under load. */
function judge(t: Test, site: Site, results: readonly LoadResult[], during: Death): void {
  const failedGets = results.filter(({ method, status }) => method === 'GET' && status !== 200);
  const failedPosts = results.filter(({ method, status }) => method === 'POST' && status !== 200);
  t.same(failedGets, [], `every GET got 200 (${summarise(results)})`);
  t.same(
    failedPosts.filter((post) => !wasUnderWay(post, during)),
    [],
    'only POSTs failed that were under way when their workers died',
  );
  t.ok(
    failedPosts.every(({ status, proxyStatus }) => status === 503 && proxyStatus?.startsWith('goodgateway; error=')),
    'they got an honest 503',
  );
  const posts = site.executions().filter((line) => line.startsWith('POST'));
  t.equal(new Set(posts).size, posts.length, 'no POST was executed twice');
  const answered = results.filter(({ method, status }) => method === 'POST' && status === 200).map(({ id }) => `POST ${id}`);
  t.same(
    answered.filter((line) => !posts.includes(line)),
    [],
    'every POST that got 200 was executed',
  );
}

const pidsOf = ({ fpm }: Site): readonly number[] => fpm.processes().map(({ pid }) => pid);

async function auditVerifies(t: Test, { gateway }: Site): Promise<void> {
  t.match(await gateway.command('audit', 'verify'), { code: 0 });
}

t.test('kill -9 of every php-fpm process under load', { skip }, async (t) => {
  const site = await startSite(t);
  const running = load(t, site);
  await until(() => running.results.length > 100, { timeoutMs: 20_000, what: 'steady load' });
  const died = await death(pidsOf(site), site.fpm.crash);
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: recoveredWithinMs, what: () => `the recovery: ${site.gateway.log().slice(-2000)}` });
  await until(() => running.results.length > 300, { timeoutMs: 20_000, what: 'load after the repair' });
  judge(t, site, await running.stop(), died);
  t.equal(site.fpm.processes().length, 6, 'php-fpm runs again');
  const story = site.gateway
    .audit()
    .map(({ event }) => event)
    .filter((event) => /^(incident|diagnosis|action|verify)/.test(event) && event !== 'incident.updated');
  t.same(story, ['incident.opened', 'diagnosis.made', 'action.intent', 'action.finished', 'verify.passed', 'incident.recovered'], 'the audit tells it in order');
  t.match(site.records('diagnosis.made')[0], { cause: 'service.crashed', confidence: 'certain' });
  t.match(site.records('action.intent')[0], { action: 'start', rule: 'Crashed, so start it' });
  await auditVerifies(t, site);
  const code = String(site.records('incident.opened')[0]?.['incident']).slice(-6);
  t.match((await site.gateway.command('why', code.toLowerCase())).output, /service\.crashed/);
});

t.test('kill -9 of only the master: orphaned workers hold the socket', { skip }, async (t) => {
  const site = await startSite(t);
  const running = load(t, site);
  await until(() => running.results.length > 100, { timeoutMs: 20_000, what: 'steady load' });
  const died = death(pidsOf(site), () => signal(site.fpm.masterPid(), 'SIGKILL'));
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: recoveredWithinMs, what: () => `the recovery: ${site.gateway.log().slice(-2000)}` });
  await until(() => running.results.length > 300, { timeoutMs: 20_000, what: 'load after the repair' });
  const results = await running.stop();
  judge(t, site, results, await died);
  const failed = results.filter(({ status }) => status !== 200).length;
  t.ok(failed <= 5, `nobody is sent to the orphans while they are ended: failed are at most as many (${failed}) as workers were`);
  t.match(site.records('diagnosis.made')[0], { cause: 'service.orphaned_workers', confidence: 'certain' });
  t.match(
    site.records('action.intent').map(({ action }) => action),
    ['terminate_orphans'],
  );
  t.equal(site.fpm.processes().length, 6, 'a new master with its workers, and no orphan');
  await auditVerifies(t, site);
});

t.test("kill -STOP of all php-fpm processes is a hang, healed by the policy's ladder", { skip }, async (t) => {
  const site = await startSite(t);
  for (const { pid } of site.fpm.processes()) signal(pid, 'SIGSTOP');
  const answer = ask(`${site.nginx.url}/hello.php`);
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: recoveredWithinMs, what: () => `the recovery: ${site.gateway.log().slice(-2000)}` });
  t.match(site.records('diagnosis.made')[0], { cause: 'service.hung', confidence: 'certain' });
  t.match(site.records('action.intent')[0], { action: 'restart' });
  t.match(await answer, { status: 200, text: 'hello' });
});

t.test('all workers busy in a long sleep: no restart, and those who wait are served', { skip }, async (t) => {
  const site = await startSite(t);
  const master = site.fpm.masterPid();
  const busy = Array.from({ length: 5 }, () => ask(`${site.nginx.url}/late.php?ms=12000`));
  await until(async () => (await site.gateway.state('shop'))['in_flight'] === 5, { timeoutMs: 15_000, what: 'five requests in php-fpm' });
  const waiting = Array.from({ length: 10 }, () => ask(`${site.nginx.url}/hello.php`));
  await until(() => site.records('diagnosis.made').length > 0, { timeoutMs: 20_000, what: 'a diagnosis' });
  t.match(site.records('diagnosis.made')[0], { cause: 'capacity.workers_exhausted' });
  const answers = await Promise.all([...busy, ...waiting]);
  t.same(
    answers.filter(({ status }) => status !== 200),
    [],
  );
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: 20_000, what: 'the end of the incident' });
  t.same(
    site
      .records('action.intent')
      .map(({ action }) => action)
      .filter((action) => action !== 'wait'),
    [],
    'nothing but waiting was done',
  );
  t.equal(site.fpm.masterPid(), master);
});

t.test('a broken configuration is not restarted into: the test refuses, and its line is the cause', { skip }, async (t) => {
  const site = await startSite(t, { policy: { hung_after: '1s' } });
  const good = readFileSync(site.fpm.config, 'utf8');
  writeFileSync(site.fpm.config, `${good}\npm.max_childen = 7\n`);
  const pids = pidsOf(site);
  for (const pid of pids) signal(pid, 'SIGSTOP');
  const refused = await until(() => site.records('action.refused')[0], { timeoutMs: 20_000, what: 'a refusal' });
  t.match(refused['gates'], [...Array(15).fill({ verdict: 'pass' }), { gate: 'config_test', verdict: 'refuse', reason: /pm\.max_childen/ }, { gate: 'fence' }]);
  const changed = await until(() => site.records('diagnosis.changed')[0], { timeoutMs: 20_000, what: 'the new diagnosis' });
  t.match(changed, { cause: 'config.invalid', confidence: 'certain', text: /pm\.max_childen/ });
  t.same(pidsOf(site), pids, 'nothing was restarted');
  const page = await ask(`${site.nginx.url}/hello.php`, { headers: { accept: 'text/html' } });
  t.equal(page.status, 503);
  writeFileSync(site.fpm.config, good);
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: recoveredWithinMs, what: 'the repair once the configuration is right' });
});

t.test('mode observe acts never, and says what it would have done', { skip }, async (t) => {
  const site = await startSite(t, { policy: { mode: 'observe' } });
  site.fpm.crash();
  const would = await until(() => site.records('action.would_run')[0], { timeoutMs: 20_000, what: 'the record' });
  t.match(would, { action: 'start', rule: 'Crashed, so start it', cause: 'service.crashed' });
  const page = await ask(`${site.nginx.url}/hello.php`, { headers: { accept: 'text/html' } });
  t.equal(page.status, 503);
  t.ok(page.tookMs < 30_000, 'nobody waits for as long as a request may be held when nothing will heal');
  t.same(site.records('action.intent'), []);
  t.same(site.fpm.processes(), []);
  await site.fpm.start();
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: recoveredWithinMs, what: 'the end, once a person started it' });
});

t.test('a frozen pool is not called well because the kernel takes connections for it', { skip }, async (t) => {
  const site = await startSite(t, { policy: { mode: 'observe', 'verify.checks': [{ connect: 'ok' }] } });
  for (const { pid } of site.fpm.processes()) signal(pid, 'SIGSTOP');
  await until(() => site.records('action.would_run').length > 0, { timeoutMs: 20_000, what: 'a decision' });
  const looks = [await site.gateway.command('status', '--json'), await site.gateway.command('status', '--json'), await site.gateway.command('status', '--json')];
  t.ok(
    looks.every(({ output }) => output.includes('service.hung')),
    'the incident stays open',
  );
  for (const { pid } of site.fpm.processes()) signal(pid, 'SIGCONT');
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: recoveredWithinMs, what: 'the end, once it runs again' });
  t.equal(site.records('incident.opened').length, 1);
});

t.test('stopped workers under a living master are a hang, too', { skip }, async (t) => {
  const site = await startSite(t);
  for (const { pid } of site.fpm.workers()) signal(pid, 'SIGSTOP');
  const answer = ask(`${site.nginx.url}/hello.php`);
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: recoveredWithinMs, what: () => `the recovery: ${site.gateway.log().slice(-2000)}` });
  t.match(site.records('diagnosis.made')[0], { cause: 'service.hung', confidence: 'certain' });
  t.match(await answer, { status: 200, text: 'hello' });
});

t.test('killed with a broken configuration: a person mends it, and the policy starts the service', { skip }, async (t) => {
  const site = await startSite(t);
  const good = readFileSync(site.fpm.config, 'utf8');
  writeFileSync(site.fpm.config, `${good}\npm.max_childen = 7\n`);
  site.fpm.crash();
  const told = await until(() => site.records('diagnosis.changed').find(({ cause }) => cause === 'config.invalid'), {
    timeoutMs: 20_000,
    what: () => `the diagnosis: ${site.gateway.log().slice(-2000)}`,
  });
  t.match(told, { text: /pm\.max_childen/ });
  writeFileSync(site.fpm.config, good);
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: recoveredWithinMs, what: () => `the repair: ${site.gateway.log().slice(-3000)}` });
  t.match(await ask(`${site.nginx.url}/hello.php`), { status: 200, text: 'hello' });
  t.same(site.records('incident.gave_up'), []);
});
