/** goodgateway before a small service that it may start, and its dashboard in a browser. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { complaints } from '../support/browser.ts';
import { startGoodgateway, type Goodgateway, type GoodgatewayOptions } from '../support/goodgateway.ts';
import { accepts, freePort } from '../support/ports.ts';
import { processInfo, signal } from '../support/processes.ts';
import { succeed } from '../support/program.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

export interface Scene {
  readonly gateway: Goodgateway;
  /** Where visitors come in. */
  readonly port: number;
  /** Kills the service as a crash does. */
  crash(): Promise<void>;
  /** From now on its start fails. */
  breakStart(): void;
}

export interface SceneOptions extends Pick<GoodgatewayOptions, 'host' | 'adminUrl' | 'adminHeaders'> {
  /** Other keys of the policy. */
  readonly policy?: Readonly<Record<string, unknown>>;
}

const server = join(import.meta.dirname, '../fixtures/healer/serves-http.ts');

/** Everything started; the service runs. */
export async function dashboardScene(t: TestScope, { policy = {}, ...options }: SceneOptions = {}): Promise<Scene> {
  const folder = tempFolder(t, 'gg-dash');
  const [backend, port] = [await freePort(), await freePort()];
  const [pidfile, script, broken] = [join(folder, 'pid'), join(folder, 'start'), join(folder, 'broken')];
  const lines = ['#!/bin/sh', `[ -e ${broken} ] && exit 1`, `setsid ${process.execPath} ${server} ${backend} </dev/null >/dev/null 2>&1 &`, `echo $! > ${pidfile}`, ''];
  writeFileSync(script, lines.join('\n'), { mode: 0o755 });
  await succeed([script]);
  // a service that is not up yet would be an incident of its own
  await until(() => accepts({ host: '127.0.0.1', port: backend }), { timeoutMs: 15_000, what: 'the service to listen' });
  const pid = (): number => Number(readFileSync(pidfile, 'utf8'));
  const crash = async (): Promise<void> => {
    const ended = pid();
    if (processInfo(ended)?.command.includes(server) !== true) return;
    signal(ended, 'SIGKILL');
    await until(() => processInfo(ended) === undefined, { timeoutMs: 15_000, what: 'the end of the service' });
  };
  t.teardown(crash);
  const gateway = await startGoodgateway(t, {
    gateways: () => ({ shop: { listen: `127.0.0.1:${port}`, protocol: 'http', upstream: `127.0.0.1:${backend}`, service: 'small-shop' } }),
    policies: [
      {
        version: 1,
        name: 'small-shop',
        description: 'The smallest shop that there is',
        mode: 'act',
        service: { type: 'process', pidfile, start: [script] },
        rules: [{ name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start', timeout: '10s' }] }],
        limits: { cooldown: '0s' },
        verify: { within: '20s', stable_for: '500ms', checks: [{ service: 'running' }, { connect: 'ok' }] },
        ...policy,
      },
    ],
    ...options,
  });
  return { gateway, port, crash, breakStart: () => writeFileSync(broken, '') };
}

/** The dashboard, drawn, in a window of its own. `errors`: what the console shows in red. */
export async function openDashboard(
  t: TestScope,
  browser: Browser,
  { url, hash = '', ...options }: BrowserContextOptions & { readonly url: string; readonly hash?: string },
): Promise<{ readonly page: Page; readonly errors: readonly string[] }> {
  const context = await browser.newContext(options);
  t.teardown(() => context.close());
  const page = await context.newPage();
  const errors = complaints(page);
  await page.goto(`${url}/${hash}`);
  return { page, errors };
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** axe looks at one node after the other. What it says of headings that were replaced meanwhile is about no page that anybody saw: then it looks anew. */
const lookAtAStandingPage = (options: string): string => `(async () => {
  for (let looks = 1; ; looks++) {
    let changed = false;
    const hasHeading = (node) => node.nodeType === 1 && (node.matches('h1,h2,h3,h4') || node.querySelector('h1,h2,h3,h4') !== null);
    const watch = new MutationObserver((all) => { changed ||= all.some(({ addedNodes, removedNodes }) => [...addedNodes, ...removedNodes].some(hasHeading)); });
    watch.observe(document.body, { childList: true, subtree: true });
    const found = await axe.run(${options});
    await new Promise((resolve) => setTimeout(resolve));
    watch.disconnect();
    if (!changed || looks === 10) return found;
  }
})()`;

/** What axe finds, or could not judge, in one line each. The page must have been opened with `bypassCSP`: axe is a script of another origin. */
export async function axeFinds(page: Page, options = ''): Promise<readonly string[]> {
  if (!(await page.evaluate<boolean>('"axe" in window'))) await page.evaluate(axe);
  const { violations, incomplete, passes } = await page.evaluate<AxeResults>(lookAtAStandingPage(options));
  if (!passes.some(({ id }) => id === 'color-contrast')) return ['axe did not look at the contrast'];
  return [...violations, ...incomplete].map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`);
}

/** Does nothing stick out sideways? */
export function fitsItsWindow(page: Page): Promise<boolean> {
  return page.evaluate('document.documentElement.scrollWidth <= innerWidth');
}
