import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { complaints, startBrowser } from '../support/browser.ts';
import { freePort } from '../support/ports.ts';
import { endAll, family, processes, processInfo, signal } from '../support/processes.ts';
import { start, succeed } from '../support/program.ts';
import { missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

/** Six stories of some seconds each. */
t.setTimeout(200_000);

t.test('goodgateway demo: every button, one after another and again, ends in a healed shop and a true sentence', { skip: missing('chromium') }, async (t) => {
  const port = await freePort();
  const demo = start([process.execPath, join(import.meta.dirname, '../../src/cli/main.ts'), 'demo', '--port', `${port}`]);
  // Killed, it could not end what it started: so it is asked first, whatever has failed.
  t.teardown(async () => {
    signal(demo.pid, 'SIGINT');
    await demo.ended;
  });
  await until(() => demo.output().includes('Open http'), { timeoutMs: 60_000, what: () => `the demo: ${demo.output()}` });
  const page = await (await startBrowser(t)).newPage();
  const errors = complaints(page);
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.getByText('parcels left today').waitFor();
  const status = (): Promise<string> => page.locator('#status').innerText();

  const buttons = [
    ['Crash', /^You crashed the shop .* goodgateway says: (?!It accepts)[A-Z].*\. The whole story: goodgateway why \w{6}$/],
    ['Freeze', /^You froze the shop .* goodgateway says: (?!It accepts)[A-Z].*\. The whole story: goodgateway why \w{6}$/],
    [
      'Fill all workers',
      /^You filled all workers of the shop at [\d:]+\. All workers were busy\. Your next request waited [1-9]\d*\.\d s for a free one and was answered; nothing was restarted \(it still is process \d+\), because busy is not broken\./,
    ],
    ['Answer junk', /^You made the shop answer junk .* goodgateway says: (?!It accepts)[A-Z].*\. The whole story: goodgateway why \w{6}$/],
    ['Start on another port', /^You moved the shop to another port .* goodgateway says: (?!It accepts)[A-Z].*\. The whole story: goodgateway why \w{6}$/],
    ['Crash', /^You crashed the shop .* goodgateway says: (?!It accepts)[A-Z].*\. The whole story: goodgateway why \w{6}$/],
  ] as const;
  for (const [label, sentence] of buttons) {
    const before = await status();
    await page.getByRole('button', { name: label }).click();
    await until(async () => (await status()) !== before && sentence.test(await status()), { timeoutMs: 30_000, what: () => `${sentence}` }).catch(async (error: unknown) =>
      t.fail(`${label}: ${await status()}`, { error }),
    );
    t.comment(await status());
  }
  t.equal((await page.reload())?.status(), 200);
  t.same(
    errors.filter((text) => !/50[234]/.test(text)),
    [],
    'no error of a script, of the policy, of a connection',
  );

  const started = family(demo.pid).map(({ pid }) => pid);
  signal(demo.pid, 'SIGINT');
  t.equal((await demo.ended).code, 0, demo.output().slice(-300));
  t.same(started.map(processInfo).filter(Boolean), [], 'nothing is left');
});

t.test('a killed demo takes all with it but its folder, which the next one removes; what belongs to others stays', async (t) => {
  const folder = tempFolder(t);
  const dead = (await succeed(['/bin/sh', '-c', 'echo $$'])).trim();
  const leave = (name: string, pid?: string): string => {
    mkdirSync(join(folder, name));
    if (pid !== undefined) writeFileSync(join(folder, name, 'pid'), pid);
    return name;
  };
  const stay = [leave('goodgateway-demo-living', `${process.pid}\n`), leave('goodgateway-demo-starting'), leave('goodgateway-demo-half', dead), leave('another-folder', `${dead}\n`)];
  if (process.getuid?.() === 0) {
    stay.push(leave('goodgateway-demo-of-others', `${dead}\n`));
    chownSync(join(folder, 'goodgateway-demo-of-others'), 65534, 65534);
  }
  const isHere = ({ command }: { readonly command: string }): boolean => command.includes(join(folder, 'goodgateway-demo-'));
  t.teardown(() => endAll(() => processes(isHere)));
  const begin = async () => {
    const demo = start([process.execPath, join(import.meta.dirname, '../../src/cli/main.ts'), 'demo', '--port', `${await freePort()}`], { environment: { TMPDIR: folder } });
    t.teardown(() => endAll(() => family(demo.pid), 'SIGINT', 10_000));
    await until(() => demo.output().includes('Open http'), { timeoutMs: 60_000, what: () => `the demo: ${demo.output()}` });
    return { ...demo, folder: /Everything is in (\S+);/.exec(demo.output())?.[1] ?? '' };
  };

  const killed = await begin();
  await until(() => readFileSync(join(killed.folder, 'log'), 'utf8').includes('the healer is ready'), { timeoutMs: 60_000, what: 'the healer to be ready' });
  signal(killed.pid, 'SIGKILL');
  await until(() => processes(isHere).length === 0, {
    timeoutMs: 15_000,
    what: () =>
      `the end of ${processes(isHere)
        .map(({ command }) => command)
        .join('; ')}`,
  });
  t.ok(existsSync(killed.folder), 'nobody was there to remove it');
  const next = await begin();
  t.notOk(existsSync(killed.folder));
  signal(next.pid, 'SIGINT');
  t.equal((await next.ended).code, 0, next.output().slice(-300));
  t.same(readdirSync(folder).sort(), stay.sort());
});
