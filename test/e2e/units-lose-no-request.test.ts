/**
 * The units as they ship, under a real systemd and 200 requests a second: each of our processes is killed, and upgraded
 * (which is a restart). With socket activation nginx has no other way, and needs none; under `goodgateway run` it has
 * the fail-open snippet.
 */
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { startLoad, summarise, type LoadResult } from '../support/load.ts';
import { missing } from '../support/skip.ts';
import { cannotBootSystemd } from '../support/systemd.ts';
import { until } from '../support/until.ts';
import { startUnitHost, wasUnderWay, type ProgramName, type UnitHost } from './unit-host.ts';

const skip = missing('nginx', 'php-fpm8.2') || cannotBootSystemd();

/** What a process may be exposed to, by systemd's own measure: 0 nothing, 10 everything. */
const mostExposed = { 'goodgateway-proxy.service': 2, 'goodgateway-healer.service': 5 };

t.test('the units lose no request', { skip, timeout: 200_000 }, async (t) => {
  const host = await startUnitHost(t);
  await t.test('the command writes them, once', async (t) => {
    t.match(await host.goodgateway('units --check'), { code: 1, output: /goodgateway-gateway-shop\.socket: missing/ });
    t.match(await host.goodgateway('units --write'), { code: 0, output: /now: systemctl daemon-reload && systemctl enable --now goodgateway\.target/ });
    t.match(await host.goodgateway('units --write'), { code: 0, output: /nothing was written/ });
    t.match(await host.goodgateway('units --check'), { code: 0 });
    t.match(await host.systemd.try(['/bin/sh', '-c', 'systemd-analyze verify /etc/systemd/system/goodgateway*.socket /etc/systemd/system/goodgateway*.service']), { code: 0, output: '' });
    await host.shell('systemctl daemon-reload; systemctl enable --now goodgateway.target');
    await ready(host);
    for (const [unit, most] of Object.entries(mostExposed)) {
      const said = await host.shell(`systemd-analyze security --no-pager ${unit} | tail -1`);
      t.comment(said.trim());
      t.ok(Number(/: (\d+\.\d)/.exec(said)?.[1]) <= most, said);
    }
    t.match(await host.shell('stat -c "%U:%G %a" /run/goodgateway/shop.sock'), /^goodgateway:www-data 660$/m);
    t.match(await host.shell('systemctl show --property WatchdogTimestampMonotonic goodgateway-healer.service'), /=[1-9]/, 'the watchdog is told');
  });

  await t.test('socket activation, and no backup in nginx', { timeout: 90_000 }, async (t) => {
    const run = await underLoad(t, host, [host.fastcgi, host.http]);
    await run.kill('proxy');
    await run.kill('healer');
    await run.restart('goodgateway-healer.service');
    await run.restart('goodgateway-proxy.service');
    await run.judge();
  });

  await t.test('a reload leaves no socket that systemd holds', async (t) => {
    const file = '/etc/goodgateway/goodgateway.yaml';
    const before = await host.shell(`cat ${file}`);
    const { gateways, ...rest } = parse(before) as { readonly gateways: Readonly<Record<string, unknown>> };
    await host.write(file, stringify({ ...rest, gateways: { shop: gateways['shop'] } }));
    const records = (): Promise<string> => host.shell('cat /var/log/goodgateway/*.jsonl');
    const isRefused = async (): Promise<boolean> => /"policy\.rejected".*cannot be left: systemd listens there.*goodgateway units --write/.test(await records());
    await until(isRefused, { timeoutMs: 30_000, everyMs: 100, what: 'the refusal' });
    t.equal((await fetch(`http://127.0.0.1:${host.http}/record.php`)).status, 200, 'nobody is left waiting there');
    t.match(await host.goodgateway('units --check'), { code: 1, output: /goodgateway-gateway-app\.socket: no longer wanted/ });
    await host.write(file, before);
  });

  await t.test('fail-open nginx, under `goodgateway run`', { timeout: 90_000 }, async (t) => {
    await host.shell('systemctl stop goodgateway.target; systemctl start goodgateway.service');
    await ready(host);
    const run = await underLoad(t, host, [host.failOpen, host.failOpen]);
    for (const name of ['proxy', 'healer', 'supervisor'] as const) await run.kill(name);
    await run.restart('goodgateway.service');
    await run.judge();
  });
});

interface Run {
  /** Waits until the next one works. */
  kill(program: ProgramName): Promise<void>;
  restart(unit: string): Promise<void>;
  judge(): Promise<void>;
}

async function underLoad(t: Test, host: UnitHost, ports: readonly number[]): Promise<Run> {
  const before = (await host.posts()).length;
  const loads = ports.map((port, i) => startLoad(t, { port, rate: 200 / ports.length, posts: 0.2, seed: port + i, path: (_method, id) => `/record.php?id=${id}` }));
  const windows: { readonly fromMs: number; readonly toMs: number }[] = [];
  const steady = async (): Promise<void> => {
    const from = loads.map(({ results }) => results.length);
    await until(() => loads.every(({ results }, i) => results.length > from[i]! + 80), { timeoutMs: 20_000, what: () => `steady load: ${loads.map(({ results }) => summarise(results)).join('; ')}` });
  };
  await steady();
  return {
    kill: async (program) => {
      // with their supervisor the others end
      const renewed = program === 'supervisor' ? (['supervisor', 'healer', 'proxy'] as const) : [program];
      const before = await Promise.all(renewed.map((one) => host.pid(one)));
      const fromMs = Date.now();
      await host.shell(`kill -KILL ${before[0]}; while kill -0 ${before[0]} 2>/dev/null; do :; done`);
      await host.noticed();
      windows.push({ fromMs, toMs: Date.now() });
      const isNew = async (): Promise<boolean> => (await Promise.all(renewed.map((one) => host.pid(one)))).every((pid, i) => pid !== undefined && pid !== before[i]);
      await until(isNew, { timeoutMs: 30_000, everyMs: 50, what: `a new ${program}` });
      await ready(host);
      t.comment(`without ${program} for ${Date.now() - fromMs} ms`);
      await steady();
    },
    restart: async (unit) => {
      const began = Date.now();
      await host.shell(`systemctl restart ${unit}`);
      await ready(host);
      t.comment(`${unit} was restarted in ${Date.now() - began} ms`);
      await steady();
    },
    judge: async () => {
      const results = (await Promise.all(loads.map((load) => load.stop()))).flat();
      const failed = results.filter(({ status }) => status !== 200);
      const underWay = (result: LoadResult): boolean => windows.some((window) => wasUnderWay(result, window));
      t.same(
        failed.filter((result) => result.method !== 'POST' || !underWay(result)),
        [],
        `no new request fails, and no GET (${summarise(results)})`,
      );
      const posts = (await host.posts()).slice(before);
      t.equal(new Set(posts).size, posts.length, 'no POST is executed twice');
    },
  };
}

/** The proxy answers, and has its healer. */
function ready(host: UnitHost): Promise<unknown> {
  const answers = async (): Promise<boolean> => (await (await fetch(`${host.admin}/readyz`, { signal: AbortSignal.timeout(2000) })).text()) === 'ok\n';
  return until(() => answers().catch(() => false), { timeoutMs: 40_000, everyMs: 20, what: 'proxy and healer' });
}
