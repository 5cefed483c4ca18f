/**
 * Three ways to get goodgateway, one test for what it must do then (smoke.ts): from source, by npm, as a Debian package.
 * Everything is built in a copy of the project, from what a fresh checkout has.
 */
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { freePort } from '../support/ports.ts';
import { finish, succeed } from '../support/program.ts';
import { isRoot, missing } from '../support/skip.ts';
import { bootSystemd, cannotBootSystemd, type Systemd } from '../support/systemd.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { buildDeb, checkout, machineOfItsOwn } from './debian-machine.ts';

const root = join(import.meta.dirname, '../..');
const smoke = 'test/packages/smoke.ts';
const steps = 9;
const node = process.execPath;
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };

const passed = (output: string): number => output.split('\n').filter((line) => line.startsWith('ok: ')).length;
const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const project = checkout(t);

t.test('from source', async (t) => {
  const { code, output } = await finish([node, join(root, smoke), node, join(root, 'src/cli/main.ts')], { timeoutMs: 60_000 });
  t.match({ code, passed: passed(output) }, { code: 0, passed: steps }, output);
});

t.test('by npm: two builds are the same bytes; installed without a script, it works, and asks nobody outside', { skip: missing('ip', 'unshare'), timeout: 120_000 }, async (t) => {
  const [packed, empty] = [tempFolder(t, 'gg-packed'), tempFolder(t, 'gg-empty')];
  const pack = async (name: string): Promise<string> => {
    mkdirSync(join(packed, name));
    await succeed(['npm', 'pack', '--silent', '--pack-destination', join(packed, name)], { folder: project, timeoutMs: 60_000 });
    return join(packed, name, `goodgateway-${manifest.version}.tgz`);
  };
  const tarball = await pack('first');
  t.equal(digest(await pack('second')), digest(tarball), 'reproducible');

  await succeed(['npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', tarball], { folder: empty, timeoutMs: 120_000 });
  const counted = (argv: readonly string[]): ReturnType<typeof finish> =>
    finish([...(isRoot ? ['unshare', '--net'] : ['unshare', '--net', '--user', '--map-root-user']), '/bin/sh', '-c', countsWhatLeaves, 'sh', ...argv], { timeoutMs: 60_000 });
  const { code, output } = await counted([node, join(root, smoke), node, join(empty, 'node_modules/.bin/goodgateway')]);
  t.match({ code, passed: passed(output) }, { code: 0, passed: steps }, output);
  t.match(output, /^left 0$/m, 'nothing was sent, or tried to be sent, beyond this machine');
  const control = await counted([node, '-e', "fetch('http://192.0.2.1').catch(() => fetch('http://[2001:db8::1]')).catch(() => undefined)"]);
  t.match(control.output, /^left 2$/m, 'what does try is counted');
});

/** In a network of its own that has no way out: packets without a route, and datagrams, as the kernel counts them. */
const countsWhatLeaves = `ip link set lo up; "$@"; code=$?
awk '/^Ip: [0-9]/ { left += $13 } /^Udp: [0-9]/ { left += $5 } /^(Ip6OutNoRoutes|Udp6OutDatagrams) / { left += $2 } END { print "left " left }' /proc/net/snmp /proc/net/snmp6
exit $code`;

t.test('as a Debian package: installed, started, upgraded under requests, removed, purged', { skip: missing('dpkg-deb') || cannotBootSystemd(), timeout: 200_000 }, async (t) => {
  const folder = tempFolder(t, 'gg-deb');
  const build = (version: string, name = version): Promise<string> => buildDeb(project, { version, out: join(folder, name) });
  const [first, second] = [await build('1.0.0'), await build('1.0.1')];
  t.equal(digest(await build('1.0.0', 'again')), digest(first), 'reproducible');

  const systemd = await bootSystemd(t, { units: {}, wanted: [] });
  const shell = (text: string): Promise<string> => systemd.inside(['/bin/sh', '-ec', text]);
  const dpkg = (...args: readonly string[]): Promise<string> => systemd.inside(['/usr/bin/dpkg', '--force-unsafe-io', ...args]);
  await machineOfItsOwn(systemd);
  cpSync(first, join(systemd.root, 'run/first.deb'));
  cpSync(second, join(systemd.root, 'run/second.deb'));

  const installed = await dpkg('--install', '/run/first.deb');
  t.match(installed, /does nothing yet. Next: goodgateway init/);
  t.equal((await systemd.try(['/usr/bin/systemctl', 'is-enabled', 'goodgateway.target'])).output.trim(), 'disabled');
  t.equal(await running(systemd), '', 'nothing is started before there is a configuration');
  t.equal(await shell('id -nG goodgateway; getent passwd goodgateway-healer | cut -d: -f1; dpkg --verify goodgateway'), 'goodgateway www-data\ngoodgateway-healer\n');

  const { code, output } = await systemd.try([`${systemd.project}/node_modules/.bin/node`, `${systemd.project}/${smoke}`, '/usr/bin/goodgateway']);
  t.match({ code, passed: passed(output) }, { code: 0, passed: steps }, output);

  const site = await configure(systemd);
  await shell('goodgateway units --write > /dev/null; systemctl daemon-reload; systemctl enable --now goodgateway.target 2>/dev/null');
  await until(async () => (await ask(site)) === 200, { timeoutMs: 20_000, what: 'the first answer' });
  const before = await running(systemd);
  t.match(before, /^\d+ \d+$/, 'proxy and healer run');
  const answers: unknown[] = [];
  let over = false;
  const visitor = (async () => {
    while (!over) answers.push(await ask(site));
  })();
  await dpkg('--install', '/run/second.deb');
  const after = await running(systemd);
  over = true;
  await visitor;
  t.match(after, /^\d+ \d+$/);
  t.same(
    before.split(' ').filter((pid) => after.split(' ').includes(pid)),
    [],
    'the new version runs',
  );
  t.ok(answers.length > 20, `${answers.length} requests`);
  t.same(
    answers.filter((status) => status !== 200),
    [],
    'the upgrade lost none',
  );

  await shell(
    'printf "version: 2\\n" > /etc/goodgateway/broken.yaml; mv /etc/goodgateway/goodgateway.yaml /etc/goodgateway/kept.yaml; mv /etc/goodgateway/broken.yaml /etc/goodgateway/goodgateway.yaml',
  );
  t.match(await dpkg('--install', '/run/first.deb'), /does not take .*, so the version before runs on/, 'what a new version does not understand ends nothing');
  t.equal(await running(systemd), after);
  await shell('mv /etc/goodgateway/kept.yaml /etc/goodgateway/goodgateway.yaml');

  await dpkg('--remove', 'goodgateway');
  t.equal(await running(systemd), '', 'a removal stops everything');
  t.equal(
    await shell('systemctl list-units --plain --no-legend "goodgateway*" | grep -v not-found || true; ls -d /usr/lib/goodgateway 2>&1 || true'),
    "ls: cannot access '/usr/lib/goodgateway': No such file or directory\n",
  );
  t.equal(await shell('ls /etc/goodgateway /var/log/goodgateway | grep -c -E "yaml|jsonl"'), '2\n', 'and keeps the configuration and the audit log');
  t.match(await dpkg('--purge', 'goodgateway'), /the audit log is kept, because it says who did what: \/var\/log\/goodgateway/);
  t.equal(
    await shell('find /etc /usr /var /run -xdev -name "*goodgateway*" -not -path "/var/log/*" -not -path "/run/project/*" -not -path "/run/o/*" -not -path "/usr/share/doc/*" | sort'),
    '',
    'a purge leaves nothing else',
  );
});

/** A small backend as a unit, and goodgateway.yaml for it. Resolves with the port of the gateway. */
async function configure({ inside }: Systemd): Promise<number> {
  const [port, backend, admin] = [await freePort(), await freePort(), await freePort()];
  const host = {
    version: 1,
    gateways: { shop: { listen: `127.0.0.1:${port}`, protocol: 'http', upstream: `127.0.0.1:${backend}`, service: 'shop' } },
    admin: `127.0.0.1:${admin}`,
    proxy: { user: 'goodgateway', group: 'www-data' },
  };
  const policy = {
    version: 1,
    name: 'shop',
    mode: 'observe',
    service: { type: 'systemd', unit: 'shop.service' },
    rules: [{ name: 'Ask a person', when: { cause: 'unknown' }, try: [{ do: 'page' }] }],
  };
  const program = `require('node:http').createServer((request, response) => response.end('hello')).listen(${backend}, '127.0.0.1')`;
  const files = { '/etc/goodgateway/goodgateway.yaml': stringify(host), '/etc/goodgateway/policies.d/shop.yaml': stringify(policy) };
  for (const [file, text] of Object.entries(files)) await inside(['/bin/sh', '-ec', 'printf %s "$2" > "$1"', 'sh', file, text]);
  await inside(['/usr/bin/systemd-run', '--quiet', '--unit=shop', '/usr/lib/goodgateway/bin/node', '-e', program]);
  return port;
}

/** The status, or why there was none. A connection of its own each time, as a new visitor has. */
async function ask(port: number): Promise<unknown> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/`, { headers: { Connection: 'close' }, signal: AbortSignal.timeout(20_000) })).status;
  } catch (error) {
    return String(error instanceof Error ? (error.cause ?? error) : error);
  }
}

/** The pids of proxy and healer; empty when neither runs. */
async function running({ inside }: Systemd): Promise<string> {
  const text = await inside(['/usr/bin/systemctl', 'show', '--value', '--property=MainPID', 'goodgateway-proxy.service', 'goodgateway-healer.service']);
  return text
    .split('\n')
    .filter((pid) => Number(pid) > 0)
    .join(' ');
}
