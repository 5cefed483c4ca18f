/** One goodgateway with a healed incident and one that waits for a person, looked at in every way. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { coloursOf, startBrowser } from '../support/browser.ts';
import { documentedBlocks, startDocumentedNginx } from '../support/documented.ts';
import { freePort } from '../support/ports.ts';
import { signal } from '../support/processes.ts';
import { missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { axeFinds, dashboardScene, fitsItsWindow, openDashboard, type Scene } from './scene.ts';

const skip = missing('chromium');
const token = 'correct-horse-battery-staple';
const markup = '<img src=x onerror="document.title=1">';
const views = ['#/', '#/incidents', '#/doctor', '#/policies', '#/audit'];

t.test('whoever looks', { skip }, async (t) => {
  const browser = await startBrowser(t);
  const file = join(tempFolder(t), 'token');
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const listen = `127.0.0.1:${await freePort()}`;
  const scene = await dashboardScene(t, {
    host: { admin: { listen, token_file: file } },
    adminUrl: `http://${listen}`,
    adminHeaders: { authorization: `Bearer ${token}` },
    policy: { description: markup, rules: [{ name: markup, when: { cause: 'service.crashed' }, try: [{ do: 'start', timeout: '10s' }] }] },
  });
  const code = await healedThenGivenUp(scene);
  const looks: Looks = {
    scene,
    code,
    places: [...views, `#/incident/${code}`],
    open: async (options, scope) => openDashboard(scope, browser, { url: scene.gateway.adminUrl, storageState: await state, ...options }),
  };
  const { page: first } = await openDashboard(t, browser, { url: scene.gateway.adminUrl });
  await t.test('who has the token signs in', (t) => signsIn(t, first));
  const state = first.context().storageState();

  await t.test('the sentence at the top says what is wrong and who must act', (t) => saysWhoMustAct(t, looks));
  await t.test('axe finds nothing on any view, in light and in dark', (t) => satisfiesAxe(t, looks));
  await t.test('every view fits from a small telephone to a wide screen, in both directions', (t) => fits(t, looks));
  await t.test('everything is reached by the keyboard, and one sees where one is', (t) => walksByKeyboard(t, looks));
  await t.test('what others wrote is text, and nothing offends against the policy of the page', (t) => showsTextAsText(t, looks));
  await t.test('pictures are taken', (t) => takesPictures(t, looks));
  await t.test('behind nginx as docs/dashboard.md shows it', { skip: missing('nginx') }, (t) => worksBehindNginx(t, looks));
  await t.test('a healer that is away, and a lost connection, are said, and the page goes on by itself', (t) => saysWhatIsLost(t, looks));
});

interface Looks {
  readonly scene: Scene;
  /** Of the incident that waits for a person. */
  readonly code: string;
  readonly places: readonly string[];
  readonly open: (options: Omit<Parameters<typeof openDashboard>[2], 'url'>, scope: Test) => ReturnType<typeof openDashboard>;
}

async function healedThenGivenUp({ gateway, crash, breakStart }: Scene): Promise<string> {
  const has = (event: string) => gateway.audit().find((record) => record.event === event);
  await crash();
  await until(() => has('incident.recovered'), { timeoutMs: 60_000, what: () => `a recovery: ${gateway.log().slice(-2000)}` });
  breakStart();
  await crash();
  const gaveUp = await until(() => has('incident.gave_up'), { timeoutMs: 60_000, what: () => `the giving up: ${gateway.log().slice(-2000)}` });
  return String(gaveUp['incident']).slice(-6);
}

async function signsIn(t: Test, page: Page): Promise<void> {
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.getByLabel(/^The token/).fill('a wrong token of some length');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('this is not the token').waitFor();
  await page.getByLabel(/^The token/).fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Gateways' }).waitFor();
  await page.getByRole('status').getByText('small-shop needs a person.').waitFor();
}

async function saysWhoMustAct(t: Test, { open, code }: Looks): Promise<void> {
  const { page } = await open({}, t);
  const status = page.locator('#headline');
  await status.getByText('small-shop needs a person.').waitFor();
  await status.getByText(/^small-shop is not running/).waitFor();
  await status.getByText(/goodgateway gave up: .* goodgateway ack small-shop$/).waitFor();
  await page
    .getByRole('log', { name: `Steps of ${code}` })
    .getByText('Gave up: waits for a person')
    .waitFor();
  t.match(await page.title(), /^small-shop needs a person/);
  const past = page.getByRole('region', { name: 'Past incidents' });
  await past.getByRole('listitem').filter({ hasText: 'broken again' }).getByRole('link').click();
  await page.getByText(/^It seemed to be well and broke again/).waitFor();
}

async function satisfiesAxe(t: Test, { open, places }: Looks): Promise<void> {
  // axe is a script of another origin, which the page's own policy forbids
  const { page } = await open({ bypassCSP: true, viewport: { width: 800, height: 900 } }, t);
  for (const place of places) {
    await goTo(page, place);
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    t.same(await axeFinds(page), [], place);
    // nothing but the colours is different
    await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
    t.same(await axeFinds(page, "{ runOnly: ['color-contrast'] }"), [], `${place}, dark`);
  }
}

async function fits(t: Test, { open, places }: Looks): Promise<void> {
  const { page } = await open({}, t);
  for (const place of places) {
    await goTo(page, place);
    await page.evaluate('document.querySelectorAll("details").forEach((one) => { one.open = true; })');
    if (place === '#/') await page.getByRole('columnheader', { name: '19 of 20 answers within, at most' }).waitFor();
    for (const width of [320, 1280, 2560]) {
      await page.setViewportSize({ width, height: 800 });
      for (const direction of ['ltr', 'rtl']) {
        await page.evaluate(`document.documentElement.dir = '${direction}'`);
        t.ok(await fitsItsWindow(page), `${place} at ${width} px, ${direction}`);
      }
    }
  }
}

async function walksByKeyboard(t: Test, { open, code }: Looks): Promise<void> {
  const { page } = await open({ viewport: { width: 1280, height: 900 } }, t);
  await page.getByRole('heading', { name: 'What happens now' }).waitFor();
  const focused = (): Promise<string> => page.evaluate('document.activeElement.innerText.trim()');
  const press = async (key: string): Promise<string> => {
    await page.keyboard.press(key);
    return focused();
  };
  t.equal(await press('Tab'), 'Skip to the content');
  t.equal(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'solid', 'one sees where one is');
  const names: string[] = [];
  for (let i = 0; i < 7; i++) names.push(await press('Tab'));
  t.match(names, ['goodgateway', 'Now', 'Incidents', 'Doctor', 'Policies', 'Audit log', new RegExp(`^${code}`)], 'in the order in which one reads');
  await press('Enter');
  await page.getByRole('heading', { level: 1, name: `Incident ${code}` }).waitFor();
  t.equal(await page.evaluate('document.activeElement.id'), 'view', 'the new view has the focus');
  await page.getByText('Something was wrong').waitFor();
  await press('Tab');
  await page.keyboard.press('Enter');
  // a record is opened without a mouse
  await page
    .getByRole('region', { name: /^Record \d+ as JSON$/ })
    .getByText('"incident.opened"')
    .waitFor();
  t.match(await page.locator('nav [aria-current=page]').innerText(), 'Incidents');
  await page.goBack();
  await page.getByRole('heading', { name: 'What happens now' }).waitFor();
}

async function showsTextAsText(t: Test, { open, places }: Looks): Promise<void> {
  const { page, errors } = await open({}, t);
  const requests: string[] = [];
  page.on('request', (request) => requests.push(new URL(request.url()).origin));
  for (const place of places) await goTo(page, place);
  // in a story
  await page.getByText(`"${markup}", step 1`).first().waitFor();
  await goTo(page, '#/policies');
  await page.getByText(markup).first().waitFor();
  t.equal(await page.evaluate('document.images.length'), 0);
  t.same(errors, []);
  t.same(new Set(requests), new Set([new URL(page.url()).origin]), 'it asks nobody else');
}

async function takesPictures(t: Test, { open, code }: Looks): Promise<void> {
  const wanted = [
    { place: '#/', width: 1280, colorScheme: 'light', direction: 'ltr' },
    { place: '#/', width: 1280, colorScheme: 'dark', direction: 'ltr' },
    { place: '#/', width: 390, colorScheme: 'dark', direction: 'rtl' },
    { place: `#/incident/${code}`, width: 390, colorScheme: 'light', direction: 'ltr' },
  ] as const;
  const { page } = await open({}, t);
  for (const { place, width, colorScheme, direction } of wanted) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 844 });
    await page.evaluate(`document.documentElement.dir = '${direction}'`);
    await goTo(page, place);
    t.ok((await coloursOf(page, await page.screenshot())) > 20, `${place}, ${colorScheme}, ${width} px, ${direction}: not blank`);
  }
}

/** A name and a password at nginx, the token behind it, and what happens is not held back. */
async function worksBehindNginx(t: Test, { scene: { gateway } }: Looks): Promise<void> {
  const [block = ''] = documentedBlocks('docs/dashboard.md', 'nginx');
  const passwords = join(tempFolder(t), 'htpasswd');
  writeFileSync(passwords, 'anna:{PLAIN}secret\n');
  const nginx = await startDocumentedNginx(t, block, { 'http://127.0.0.1:9180': gateway.adminUrl, '/etc/nginx/goodgateway.htpasswd': passwords });
  const authorization = `Basic ${btoa('anna:secret')}`;
  t.equal((await fetch(nginx.url)).status, 401);
  t.match(await (await fetch(nginx.url, { headers: { authorization } })).text(), /<title>goodgateway<\/title>/);
  const welcome = await fetch(`${nginx.url}/login`, { method: 'POST', headers: { authorization }, body: new URLSearchParams({ token }), redirect: 'manual' });
  const cookie = welcome.headers.get('set-cookie')?.split(';')[0] ?? '';
  const stop = new AbortController();
  const events = await fetch(`${nginx.url}/api/events`, { headers: { authorization, cookie }, signal: stop.signal });
  const [reader, text] = [events.body!.getReader(), new TextDecoder()];
  let heard = '';
  // in as many pieces as it likes to come
  for (let part = await reader.read(); !part.done && !heard.includes('\n\nevent: state\n'); part = await reader.read()) heard += text.decode(part.value, { stream: true });
  stop.abort();
  t.match(heard, /^retry: 1000\n\nevent: state\n/);
}

async function saysWhatIsLost(t: Test, { open, scene: { gateway } }: Looks): Promise<void> {
  const { page } = await open({}, t);
  const status = page.locator('#headline');
  await page.getByRole('heading', { name: 'What happens now' }).waitFor();
  const supervisor = await gateway.kill('supervisor', 'SIGSTOP');
  t.teardown(() => signal(supervisor, 'SIGCONT'));
  await gateway.kill('healer');
  await status.getByText(/^The healer does not run, so nothing is repaired/).waitFor();
  // the gateways are shown all the same
  await page.getByRole('heading', { name: 'shop', exact: true }).waitFor();
  await gateway.kill('proxy');
  await status.getByText(/^No word from goodgateway since \d\d:\d\d:\d\d\.$/).waitFor();
  // the foot is drawn with the next frame
  await page.getByText(/^Stale: as of/).waitFor();
  signal(supervisor, 'SIGCONT');
  await status.getByText('small-shop needs a person.').waitFor();
  await status.getByText(/goodgateway gave up/).waitFor();
  await page.getByText(/^As of/).waitFor();
}

/** Shows the view, with what it asks for. */
async function goTo(page: Page, place: string): Promise<void> {
  await page.evaluate(`location.hash = '${place}'`);
  await page.locator(`body[data-place="${place.startsWith('#/incident/') ? '#/incidents' : place}"] main`).waitFor();
  await page.locator('main [aria-busy]').waitFor({ state: 'detached' });
  if (place === '#/') await page.getByRole('log').waitFor();
}
