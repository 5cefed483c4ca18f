import t from 'tap';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { finish, start } from '../support/program.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const host = 'version: 1\ngateways:\n  shop: { listen: unix:/run/shop.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop }\nproxy: { user: nobody }\n';
const policy = 'version: 1\nname: shop\nmode: observe\nservice: { type: external }\nhung_after: 15s\n';

function folderWith(t: TestScope, files: Readonly<Record<string, string>>): string {
  const folder = tempFolder(t, 'gg-check');
  mkdirSync(join(folder, 'policies.d'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

async function check(folder: string, ...words: readonly string[]) {
  const { code, output } = await start([process.execPath, main, 'check', ...words], { folder }).ended;
  return { code, output };
}

t.test('without a file the configuration of this folder is checked, and 0 means fine', async (t) => {
  const folder = folderWith(t, { 'goodgateway.yaml': host, 'policies.d/shop.yaml': policy });
  // A machine that has goodgateway installed checks its own configuration here.
  if (!existsSync('/etc/goodgateway/goodgateway.yaml')) t.same(await check(folder), { code: 0, output: 'goodgateway.yaml: fine (1 gateway, 1 policy)\n' });
  t.same(await check(folder, '--config', 'goodgateway.yaml'), { code: 0, output: 'goodgateway.yaml: fine (1 gateway, 1 policy)\n' });
  t.same(await check(folder, 'policies.d/shop.yaml'), { code: 0, output: 'policies.d/shop.yaml: fine (1 policy)\n' });
});

t.test('every mistake is a line that an editor can jump to, and 1 means mistakes', async (t) => {
  const folder = folderWith(t, { 'goodgateway.yaml': host.replace('service: shop', 'service: shp'), 'policies.d/shop.yaml': policy.replace('15s', '15 s') });
  const { code, output } = await check(folder, 'goodgateway.yaml');
  t.equal(code, 1);
  t.match(output.split('\n'), [/^goodgateway.yaml:3:\d+: service: no policy has the name `shp`: did you mean `shop`\?$/, /^policies.d\/shop.yaml:5:13: hung_after: .*did you mean `15s`\?$/, /^$/]);
});

t.test('a program can read the result', async (t) => {
  const folder = folderWith(t, { 'shop.yaml': policy.replace('mode: observe', 'mode: watch') });
  const { code, output } = await check(folder, '--json', 'shop.yaml');
  t.equal(code, 1);
  t.match(JSON.parse(output), { ok: false, files: ['shop.yaml'], problems: [{ file: 'shop.yaml', line: 3, column: 7, path: 'mode', message: String }] });
});

t.test('what this host lacks is a warning, and a reason to end with 1 only when that is asked for', async (t) => {
  const folder = folderWith(t, {
    'goodgateway.yaml': host.replace('service: shop }', 'service: shop, socket: { group: no-such-group } }'),
    'policies.d/shop.yaml': policy.replace('{ type: external }', '{ type: process, start: [/no/such/program] }'),
  });
  const { code, output } = await check(folder, 'goodgateway.yaml');
  t.match(output.split('\n'), [
    /^goodgateway.yaml:3:\d+: warning: group: \/etc\/group has no `no-such-group`/,
    /^policies.d\/shop.yaml:4:\d+: warning: start: \/no\/such\/program does not exist on this host$/,
    /^goodgateway.yaml: fine \(1 gateway, 1 policy\), but with 2 warnings$/,
  ]);
  t.equal(code, 0, 'the files may be written for another host');
  t.equal((await check(folder, '--strict', 'goodgateway.yaml')).code, 1);
  t.match(JSON.parse((await check(folder, '--json', 'goodgateway.yaml')).output), {
    ok: true,
    problems: [],
    warnings: [{ path: 'gateways.shop.socket.group' }, { path: 'service.start[0]', line: 4 }],
  });
});

t.test('a wrong call ends with 2', async (t) => {
  const folder = folderWith(t, { 'shop.yaml': policy });
  t.match(await check(folder, 'nothing.yaml'), { code: 2, output: /nothing.yaml: there is no such file/ });
  t.match(await check(folder, '--config', 'shop.yaml', 'shop.yaml'), { code: 2, output: /not both/ });
  t.match(await check(folder, '--colour'), { code: 2, output: /unknown option/ });
  t.match(await check(folder, '--help'), { code: 0, output: /Examples:/ });
});

const tooOld = (version: string) => `goodgateway needs Node 22.19 or newer, this is v${version}\n`;

t.test('an older Node is told so, instead of a stack trace', async (t) => {
  const pretend = (node: string) => ['--import', `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${node}'}})`];
  for (const version of ['18.20.0', '20.20.2', '22.18.9']) t.match(await finish([process.execPath, ...pretend(version), main, 'check']), { code: 1, output: tooOld(version) });
  for (const version of ['22.19.0', '23.0.0', '24.1.0']) t.match(await finish([process.execPath, ...pretend(version), main, '--version']), { code: 0, output: /^\d+\.\d+\.\d+\n$/ });
});

/** What the system itself has, beside the Node that runs the tests. */
const systemNode = '/usr/bin/node';
const systemVersion = existsSync(systemNode) ? (await finish([systemNode, '--version'])).output.trim().slice(1) : '';
t.test(
  'a real older Node understands as much of the built program',
  { skip: /^(1\d|20|21)\./.test(systemVersion) ? false : `${systemNode} is no older Node: apt-get install nodejs on Debian 12` },
  async (t) => {
    const folder = tempFolder(t, 'gg-old');
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'main.js'), stripTypeScriptTypes(readFileSync(main, 'utf8')));
    t.match(await finish([systemNode, join(folder, 'main.js'), 'run']), { code: 1, output: tooOld(systemVersion) });
  },
);
