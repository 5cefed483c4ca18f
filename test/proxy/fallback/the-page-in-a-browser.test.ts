import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { BrowserContextOptions, Page } from 'playwright-core';
import t from 'tap';
import { coloursOf, complaints, startBrowser } from '../../support/browser.ts';
import { missing } from '../../support/skip.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';
import { gatewayInFront } from './gateway-in-front.ts';

const skip = missing('chromium');
const incident = '01J0000000000000000ABCDEF1';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** One for the file: its start takes longer than most of what is asked of it. */
const browser = skip === false ? await startBrowser(t) : undefined;
const languages = ['en', 'de', 'fr', 'es', 'zh', 'ar'];

/** A gateway whose backend is away for good, so that the page says everything that it can say, and stays for a minute. */
async function pageInFront(t: TestScope) {
  const front = await gatewayInFront(t, { hold: { for: '50ms' }, fallback: { contact: 'https://status.example/a-rather-long-address-that-does-not-fit-into-one-line-of-a-telephone' } });
  front.gateway.gate.hold({ until: 'order', incident, say: 'it is being repaired right now', estimateMs: 60_000 });
  return front;
}

async function visit(t: TestScope, options: BrowserContextOptions): Promise<Page> {
  if (!browser) throw new Error('the test should have been skipped');
  const context = await browser.newContext(options);
  t.teardown(() => context.close());
  return context.newPage();
}

/** What a visitor's console shows beside the 503 itself. */
function unexpected(messages: readonly string[]): readonly string[] {
  return messages.filter((text) => !text.includes('the server responded with a status of 503'));
}

t.test('axe finds nothing, in light and in dark, in every language and direction', { skip }, async (t) => {
  const { url } = await pageInFront(t);
  for (const locale of languages) {
    // axe itself is a script, which the page's own policy forbids
    const page = await visit(t, { locale, bypassCSP: true, viewport: { width: 320, height: 640 } });
    await page.goto(url);
    await page.evaluate(axe);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const { violations, incomplete, passes } = await page.evaluate<AxeResults>('axe.run()');
      t.same(
        [...violations, ...incomplete].map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`),
        [],
        `${locale}, ${colorScheme}`,
      );
      // axe takes joined Arabic letters for the ligatures of an icon font, and may pass over their contrast; the colours are the same
      const looked = locale === 'ar' ? ['html-has-lang', 'document-title'] : ['html-has-lang', 'document-title', 'color-contrast'];
      for (const rule of looked)
        t.ok(
          passes.some(({ id }) => id === rule),
          `it looked at ${rule}`,
        );
      t.same(await page.evaluate('[document.documentElement.lang, document.documentElement.dir]'), [locale, locale === 'ar' ? 'rtl' : 'ltr']);
    }
  }
});

t.test('there is something to see: in light, in dark, on a telephone, from right to left', { skip }, async (t) => {
  const { url } = await pageInFront(t);
  const pictures = new Set<string>();
  for (const { locale, colorScheme, width } of [
    { locale: 'en', colorScheme: 'light', width: 1280 },
    { locale: 'en', colorScheme: 'dark', width: 1280 },
    { locale: 'en', colorScheme: 'light', width: 360 },
    { locale: 'ar', colorScheme: 'light', width: 360 },
  ] as const) {
    const page = await visit(t, { locale, colorScheme, viewport: { width, height: 740 } });
    await page.goto(url);
    const picture = await page.screenshot();
    t.ok((await coloursOf(page, picture)) > 20, `${locale}, ${colorScheme}, ${width} px: not blank`);
    pictures.add(picture.toString('base64'));
  }
  t.equal(pictures.size, 4, 'and each looks different');
});

t.test('the page asks for nothing, runs nothing, and offends against no policy of its own', { skip }, async (t) => {
  const { url } = await pageInFront(t);
  for (const width of [320, 1280]) {
    const page = await visit(t, { viewport: { width, height: 800 } });
    const errors = complaints(page);
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(url);
    await page.getByText('BCDEF1').waitFor();
    t.same(requests, [`${url}/`]);
    t.same(unexpected(errors), []);
    t.equal(await page.evaluate('document.scripts.length'), 0);
    t.equal(await page.evaluate('getComputedStyle(document.querySelector("main")).maxWidth'), '544px', 'our style is allowed by its hash');
    t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `nothing sticks out at ${width} px`);
  }
});

t.test('when the backend is back, the page becomes the real one by itself', { skip }, async (t) => {
  const { url, startBackend, gateway } = await gatewayInFront(t);
  gateway.gate.hold({ until: 'connect', incident, say: '', estimateMs: 1000 });
  const page = await visit(t, {});
  const got = await page.goto(`${url}/cart?id=1`);
  t.equal(got?.status(), 503);
  await page.getByText('This page tries again by itself in about').waitFor();
  const seen: string[] = [];
  await startBackend((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.setHeader('content-type', 'text/html').end('<title>Cart</title><h1>Your cart</h1>');
  });
  await until(() => gateway.gate.state.kind === 'open', { timeoutMs: 15_000, what: 'the gate to open' });
  await page.getByRole('heading', { name: 'Your cart' }).waitFor({ timeout: 30_000 });
  t.equal(seen[0], 'GET /cart?id=1');
  t.equal(page.url(), `${url}/cart?id=1`);
});

t.test('the page after a POST never comes back by itself', { skip }, async (t) => {
  const { url, startBackend, gateway } = await gatewayInFront(t);
  gateway.gate.hold({ until: 'connect', incident, say: '', estimateMs: 1000 });
  const [posted, read] = [await visit(t, {}), await visit(t, {})];
  await posted.setContent(`<form method="post" action="${url}/order"><button>Buy</button></form>`);
  await posted.getByRole('button').click();
  await posted.getByText('What you sent was not processed. Please go back and send it again in a moment.').waitFor();
  // a page that comes back later than the POST's would, if it did
  gateway.gate.hold({ until: 'connect', incident, say: '', estimateMs: 9000 });
  await read.goto(`${url}/read`);
  const seen: string[] = [];
  await startBackend((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.setHeader('content-type', 'text/html').end('<h1>Here</h1>');
  });
  await until(() => gateway.gate.state.kind === 'open', { timeoutMs: 15_000, what: 'the gate to open' });
  await read.getByRole('heading', { name: 'Here' }).waitFor({ timeout: 30_000 });
  t.equal(await posted.getByRole('heading').innerText(), "We'll be right back");
  t.same(
    seen.filter((one) => one.startsWith('POST') || one.includes('/order')),
    [],
  );
});

t.test("an administrator's script does not run, and nothing configured becomes markup", { skip }, async (t) => {
  const { url, gateway } = await gatewayInFront(t, { fallback: { title: '<img src=x onerror="document.title=1">', contact: '"><script>document.title=2</script>' } });
  gateway.gate.fallBack({ until: 'order', incident, say: '' });
  const page = await visit(t, {});
  const errors = complaints(page);
  await page.goto(url);
  t.equal(await page.title(), '<img src=x onerror="document.title=1">');
  t.equal(await page.evaluate('document.images.length + document.scripts.length'), 0);
  t.ok(await page.getByText('"><script>document.title=2</script>').isVisible());
  t.same(unexpected(errors), []);
});
