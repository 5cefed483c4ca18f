import t, { type Test } from 'tap';
import type { Page } from 'playwright-core';
import { startBrowser } from '../support/browser.ts';
import { startLoad } from '../support/load.ts';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { dashboardScene, openDashboard, type Scene } from './scene.ts';

const skip = missing('chromium');
/**
 * The acceptance of this page says "each step within a second of it": the test prints how long each took. What it
 * proves on a busy machine, too, is that a step is told when it happens: the page asks by itself every 15 s only.
 */
const shownWithinMs = 10_000;

interface Noted {
  /** By the moment that a step's own time element says: wall time at which the page first showed it. */
  readonly steps: Readonly<Record<string, number>>;
  /** What the state said, one after the other; the window's title with it. */
  readonly said: readonly string[];
}

/** A repair may be quicker than a test looks: so the page itself notes, from now on, all that it shows. */
async function noteWhatIsShown(page: Page): Promise<() => Promise<Noted>> {
  await page.evaluate(`
    window.noted = { steps: {}, said: [] };
    new MutationObserver(() => {
      for (const time of document.querySelectorAll('[role=log] li time')) noted.steps[time.dateTime] ??= Date.now();
      const says = document.querySelector('[role=status]').innerText + ' | ' + document.title;
      if (noted.said.at(-1) !== says) noted.said.push(says);
    }).observe(document, { childList: true, subtree: true });
  `);
  return () => page.evaluate<Noted>('window.noted');
}

function recordsOf({ gateway }: Scene): readonly { readonly event: string; readonly ts: string; readonly incident?: string; readonly text?: string; readonly seq: number }[] {
  return gateway.audit().filter(({ event, incident }) => incident !== undefined && event !== 'incident.updated') as never;
}

async function tellsTheStory(t: Test, page: Page, code: string): Promise<void> {
  await page.getByRole('link', { name: code }).first().click();
  await page.getByRole('heading', { level: 1, name: `Incident ${code}` }).waitFor();
  await page.getByText('It is well again, after').waitFor();
  const headings = await page.getByRole('main').getByRole('heading', { level: 2 }).allInnerTexts();
  const told = new Set(headings.filter((text) => !besides.has(text)).map((text) => text.replace(/\d+(\.\d+)? m?s$/, 'a moment')));
  t.same(
    [...told],
    ['Something was wrong', 'Looked', 'Cause: service.crashed (certain)', 'Decided to start', 'Started', 'Checked: it works', 'Recovered after a moment'],
    'symptom, evidence, cause, rule and gates, act, verification, end',
  );
  for (const text of ['saw:', 'for it:', 'rule:', 'result:', 'passed:']) t.ok(await page.getByText(text, { exact: true }).first().isVisible(), text);
  await page.getByText(/^The \d+ gates that passed$/).click();
  t.ok(await page.getByText('max attempts').isVisible(), 'each gate with its reason');
  await page
    .getByText(/^Record \d+$/)
    .first()
    .click();
  // down to the raw record
  await page
    .getByRole('region', { name: /^Record \d+ as JSON$/ })
    .first()
    .getByText('"event": "incident.opened"')
    .waitFor();
}

/** What may come at any moment: the evidence is kept beside the start. */
const besides: ReadonlySet<string> = new Set(['More of the same', 'Kept evidence']);

t.test('a crash under load: the state, the cause, each step with its time, the result, and the story', { skip }, async (t) => {
  const browser = await startBrowser(t);
  const scene = await dashboardScene(t);
  const load = startLoad(t, { port: scene.port, rate: 100 });
  const { page, errors } = await openDashboard(t, browser, { url: scene.gateway.adminUrl });
  const status = page.locator('#headline');
  await status.getByText('All is well.').waitFor();
  await page.getByRole('heading', { name: 'shop', exact: true }).waitFor();
  await until(async () => /Answers a second\s*[1-9]/.test(await page.getByRole('listitem').filter({ hasText: 'Half answered within' }).innerText()), {
    timeoutMs: 30_000,
    what: 'traffic on the page',
  });
  const noted = await noteWhatIsShown(page);

  await scene.crash();
  await page
    .getByRole('log')
    .getByText(/^Recovered after/)
    .waitFor({ timeout: 30_000 });
  await status.getByText('All is well.').waitFor();
  await status.getByText(/^small-shop is well again since \d\d:\d\d:\d\d; it took/).waitFor();
  await load.stop();

  const records = recordsOf(scene);
  const { steps: atMs, said } = await noted();
  t.ok(
    said.some((text) => /^small-shop is being repaired\.\s+small-shop is not running.*There is nothing for you to do.*\| small-shop is being repaired\./s.test(text)),
    `the state and the sentence of the cause, and a window in the background says it too: ${said.join('\n')}`,
  );
  const late = records.map(({ event, ts }) => ({ event, ms: (atMs[ts] ?? Infinity) - Date.parse(ts) }));
  t.comment(late.map(({ event, ms }) => `${event} ${ms} ms`).join(', '));
  t.ok(records.length >= 6, 'there were steps');
  t.same(
    late.filter(({ ms }) => ms > shownWithinMs),
    [],
    'each step was shown when it happened',
  );
  await tellsTheStory(t, page, String(records[0]?.incident).slice(-6));
  t.same(errors, []);
});
