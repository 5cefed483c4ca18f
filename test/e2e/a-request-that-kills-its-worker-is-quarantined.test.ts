import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { ask, startSite, type Asked, type Site } from './site.ts';

const skip = missing('nginx', 'php-fpm8.2');

const writesItDown = 'file_put_contents(__DIR__ . "/../data/deaths", $_SERVER["REQUEST_METHOD"] . " " . $_SERVER["REQUEST_URI"] . "\\n", FILE_APPEND);';
/** A fault of PHP itself: a conversion that calls itself until the stack is used up. */
const recurses = `<?php ${writesItDown} class Endless { function __toString() { return (string) $this; } } echo new Endless();`;
const diesBy = (signal: number): string => `<?php ${writesItDown} posix_kill(getmypid(), ${signal}); sleep(20);`;
/** Half of its answer is on its way when the worker ends. */
const diesWhileItAnswers = `<?php ${writesItDown} header("Content-Length: 1000000"); echo str_repeat("x", 100000); flush(); posix_kill(getmypid(), 11); sleep(20);`;
/** One waits, the other ends both workers at once. */
const waits = '<?php file_put_contents(__DIR__ . "/../data/waits", getmypid()); sleep(20);';
const takesItsNeighbour = '<?php posix_kill((int) file_get_contents(__DIR__ . "/../data/waits"), 11); posix_kill(getmypid(), 11); sleep(20);';

const scripts = {
  'recurses.php': recurses,
  'aborts.php': diesBy(6),
  'killed.php': diesBy(9),
  'terminated.php': diesBy(15),
  'cut.php': diesWhileItAnswers,
  'waits.php': waits,
  'neighbour.php': takesItsNeighbour,
};

const start = (t: Test, options: Parameters<typeof startSite>[1] = {}): Promise<Site> => startSite(t, { fpm: { scripts }, ...options });

/** Lines `METHOD URI`, one for each execution that ended its worker. */
function deaths({ fpm }: Site): readonly string[] {
  const file = join(fpm.data, 'deaths');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

async function quarantined(site: Site, count: number): Promise<void> {
  const what = (): string => `${count} quarantined: ${site.gateway.log().slice(-3000)}`;
  await until(async () => (await site.gateway.state('shop'))['quarantined'] === count, { timeoutMs: 20_000, what });
}

function isQuarantined(t: Test, site: Site, answer: Asked): void {
  const code = String(site.records('request.quarantined').at(-1)?.['incident']).slice(-6);
  t.equal(answer.status, 503);
  t.match(answer.headers, { 'x-goodgateway-incident': code, 'proxy-status': 'goodgateway; error=http_request_denied' }, 'it names the incident');
  t.ok(Number(answer.headers['retry-after']) > 500, 'it says when it is tried again');
}

t.test('a GET that ends its worker by SIGSEGV: its one replay is the last, and the site goes on', { skip }, async (t) => {
  const site = await start(t);
  const master = site.fpm.masterPid();
  const url = `${site.nginx.url}/recurses.php?page=s3cret`;
  t.equal((await ask(url)).status, 503);
  await quarantined(site, 1);
  for (const answer of [await ask(url), await ask(url)]) isQuarantined(t, site, answer);
  t.same(deaths(site), ['GET /recurses.php?page=s3cret', 'GET /recurses.php?page=s3cret'], 'it was executed twice, and never again');
  t.match(readFileSync(site.fpm.log, 'utf8').match(/exited on signal 11 \(SIGSEGV/g), { length: 2 }, 'SIGSEGV is what it died of');
  t.match(await ask(`${site.nginx.url}/hello.php`), { status: 200, text: 'hello' }, 'other pages are answered');
  t.match(await ask(`${site.nginx.url}/hello.php?page=s3cret`), { status: 200 }, 'so is another script with the same query');

  const diagnosis = await until(() => site.records('diagnosis.made')[0], { timeoutMs: 20_000, what: 'a diagnosis' });
  t.match(diagnosis, { cause: 'app.poison_request', confidence: 'certain', text: /GET \/recurses\.php ends the worker .*2 times by SIGSEGV/, remedy: /A restart does not help/ });
  await until(() => site.records('incident.recovered').length > 0, { timeoutMs: 30_000, what: () => `the end of the incident: ${site.gateway.log().slice(-3000)}` });
  t.same(
    site.records('action.intent').map(({ action }) => action),
    ['page'],
    'a person is told, and nothing is restarted',
  );
  t.equal(site.fpm.masterPid(), master);
  isQuarantined(t, site, await ask(url));
  t.equal(deaths(site).length, 2, 'the quarantine outlives the incident');

  const code = String(site.records('request.quarantined')[0]?.['incident']).slice(-6);
  const { output } = await site.gateway.command('why', code);
  t.match(output, /GET \/recurses\.php/, 'why names the request');
  t.match(output, /Sent that request no more/);
  t.notMatch(output + JSON.stringify(site.gateway.audit()), /s3cret/, 'but not its query');
  const isLogged = (): boolean => new RegExp(`"outcome":"quarantined".*"incident":"${code}"`).test(site.gateway.log());
  await until(isLogged, { timeoutMs: 15_000, what: 'the access record to say it' });
  t.match(await site.gateway.command('audit', 'verify'), { code: 0 });
});

t.test('a POST is quarantined after two tries of its client, and was never replayed', { skip }, async (t) => {
  const site = await start(t);
  const post = (): Promise<Asked> => ask(`${site.nginx.url}/aborts.php`, { method: 'POST', body: 'a=1', headers: { accept: 'application/problem+json' } });
  for (const tries of [1, 2]) {
    t.match(JSON.parse((await post()).text), { may_have_been_processed: true });
    t.equal(deaths(site).length, tries, 'executed once a try');
    if (tries === 1) t.equal((await site.gateway.state('shop'))['quarantined'], 0);
    else await quarantined(site, 1);
  }
  const answer = await post();
  isQuarantined(t, site, answer);
  t.match(JSON.parse(answer.text), { may_have_been_processed: false });
  t.equal(deaths(site).length, 2);
  t.equal((await ask(`${site.nginx.url}/aborts.php`)).status, 503, 'a GET of the same is another request');
  t.ok(deaths(site).includes('GET /aborts.php'));
});

t.test('an answer that is cut in the middle counts as well', { skip }, async (t) => {
  const site = await start(t);
  const url = `${site.nginx.url}/cut.php`;
  for (const tries of [1, 2]) {
    await t.rejects(ask(url), 'the cut is visible');
    t.equal(deaths(site).length, tries);
    await until(() => site.gateway.log().split('GET /cut.php ended its worker').length > tries, { timeoutMs: 15_000, what: 'the strike' });
  }
  await quarantined(site, 1);
  isQuarantined(t, site, await ask(url));
  t.equal(deaths(site).length, 2);
});

t.test('a worker that was killed from outside puts nobody in quarantine', { skip }, async (t) => {
  const site = await start(t);
  for (const page of ['killed.php', 'terminated.php']) for (const _ of [1, 2]) t.equal((await ask(`${site.nginx.url}/${page}`)).status, 503);
  t.equal(deaths(site).length, 8, 'each was executed and replayed, twice');
  const what = (): string => `the other one's quarantine: ${site.gateway.log().slice(-3000)}`;
  await until(async () => (await ask(`${site.nginx.url}/recurses.php`)).headers['proxy-status'] === 'goodgateway; error=http_request_denied', { timeoutMs: 20_000, what });
  t.equal((await site.gateway.state('shop'))['quarantined'], 1);
  t.match(site.records('request.quarantined'), [{ text: /^GET \/recurses\.php is answered/ }], 'only the one that died by its own fault');
});

t.test('two requests that die at the same moment put nobody in quarantine, and the faults are told', { skip }, async (t) => {
  const site = await start(t);
  const waiting = join(site.fpm.data, 'waits');
  for (const round of [1, 2, 3]) {
    const innocent = ask(`${site.nginx.url}/waits.php?round=${round}`, { method: 'POST', body: 'a=1' });
    await until(() => existsSync(waiting) && site.fpm.workers().some(({ pid }) => pid === Number(readFileSync(waiting, 'utf8'))), { timeoutMs: 15_000, what: 'a neighbour' });
    const killer = ask(`${site.nginx.url}/neighbour.php`, { method: 'POST', body: 'a=1' });
    t.same(
      (await Promise.all([innocent, killer])).map(({ status }) => status),
      [503, 503],
    );
  }
  const diagnosis = await until(() => site.records('diagnosis.made').find(({ cause }) => cause === 'app.segfault'), {
    timeoutMs: 20_000,
    what: () => `a diagnosis: ${site.gateway.log().slice(-3000)}`,
  });
  t.match(diagnosis, { confidence: 'certain', text: /by SIGSEGV in the last minute, and no single request can be blamed/, remedy: /restart does not cure/ });
  t.same(site.records('request.quarantined'), []);
  t.equal((await site.gateway.state('shop'))['quarantined'], 0);
  t.same(
    site
      .records('action.intent')
      .map(({ action }) => action)
      .filter((action) => action !== 'page'),
    [],
  );
});

t.test('a proxy that was started anew learns what is in quarantine', { skip }, async (t) => {
  const site = await start(t);
  const url = `${site.nginx.url}/recurses.php`;
  await ask(url);
  await quarantined(site, 1);
  await site.gateway.kill('proxy');
  await until(async () => (await site.gateway.state('shop').catch(() => ({ quarantined: 0 })))['quarantined'] === 1, { timeoutMs: 15_000, what: 'the standing order' });
  isQuarantined(t, site, await ask(url));
  t.equal(deaths(site).length, 2);
});
