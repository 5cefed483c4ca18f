import t from 'tap';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { checkHost } from '../../src/config/check-host.ts';
import { checkFile } from '../../src/config/check-file.ts';
import { findPolicyFiles } from '../../src/config/find-policy-files.ts';
import { findConfiguration, loadConfiguration, readConfiguration } from '../../src/config/load.ts';
import { formatProblem, sortProblems } from '../../src/config/problem.ts';
import { duration } from '../../src/config/values.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

const bindings = { actionOptions: { start: z.strictObject({}), wait: z.strictObject({ at_most: duration().default(60_000), while: z.string().optional() }) } };

const host = `version: 1
gateways:
  shop: { listen: unix:/run/shop.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop, hold: { for: 3s } }
`;
const policy = (name: string, mode = 'observe') => `version: 1
name: ${name}
mode: ${mode}
service: { type: process, start: [/bin/true] }
rules:
  - name: Busy is not broken
    when: { cause: capacity.workers_exhausted }
    try: [{ do: wait, with: { while: progress } }, { do: start }]
`;

/** Writes files into a fresh folder and returns the path of one of them. */
function files(t: TestScope, contents: Readonly<Record<string, string | Uint8Array>>) {
  const folder = tempFolder(t, 'gg-config');
  mkdirSync(join(folder, 'policies.d'));
  for (const [name, content] of Object.entries(contents)) writeFileSync(join(folder, name), content, { mode: 0o644 });
  return { folder, file: join(folder, 'goodgateway.yaml') };
}

async function problemsOf(place: { readonly folder: string; readonly file: string }): Promise<readonly string[]> {
  const loaded = await loadConfiguration(place.file, bindings);
  return loaded.ok ? [] : loaded.problems.map((problem) => formatProblem(problem).replaceAll(`${place.folder}/`, ''));
}

t.test('a right configuration becomes typed values, with defaults filled in and options bound', async (t) => {
  const place = files(t, { 'goodgateway.yaml': host, 'policies.d/shop.yaml': policy('shop') });
  const loaded = await loadConfiguration(place.file, bindings);
  t.ok(loaded.ok, 'no problems', loaded);
  if (!loaded.ok) return;
  const { host: read, policies, safety, files: watched } = loaded.configuration;
  t.same(read.gateways['shop']?.upstream, { kind: 'tcp', host: '127.0.0.1', port: 8080 });
  t.same(read.gateways['shop']?.listen, [{ kind: 'unix', path: '/run/shop.sock' }], 'one value reads as a list');
  t.equal(read.gateways['shop']?.hold.fetch_for, 3000, 'a fetch waits no longer than a page, also by default');
  t.equal(safety.host_budget.disruptive_actions, 6);
  const shop = policies.get('shop');
  t.equal(shop?.sha256, createHash('sha256').update(policy('shop')).digest('hex'));
  t.same(
    shop?.policy.rules[0]?.try.map((rung) => rung.with),
    [{ at_most: 60_000, while: 'progress' }, {}],
  );
  t.same(watched, [place.file, join(place.folder, 'policies.d/shop.yaml')]);
});

t.test('a policy file may hold a list of policies, or several documents', async (t) => {
  const list = 'version: 1\npolicies:\n  - { name: shop, mode: observe, service: { type: external } }\n  - { name: redis, mode: observe, service: { type: external } }\n';
  const place = files(t, { 'goodgateway.yaml': host, 'policies.d/list.yaml': list, 'policies.d/two.yaml': `${policy('mariadb')}---\n${policy('mail')}` });
  const loaded = await loadConfiguration(place.file, bindings);
  t.same(loaded.ok && [...loaded.configuration.policies.keys()], ['shop', 'redis', 'mariadb', 'mail']);
  t.equal(loaded.ok && loaded.configuration.policies.get('redis')?.policy.version, 1, 'the list says the version for all');
});

t.test('the limits of the host may be in a file of their own', async (t) => {
  const place = files(t, {
    'goodgateway.yaml': `${host}safety: safety.yaml\n`,
    'policies.d/shop.yaml': policy('shop'),
    'safety.yaml': 'version: 1\nsafety: { host_budget: { disruptive_actions: 2 } }\n',
  });
  const loaded = await loadConfiguration(place.file, bindings);
  t.equal(loaded.ok && loaded.configuration.safety.host_budget.disruptive_actions, 2);
  t.ok(loaded.ok && loaded.configuration.files.includes(join(place.folder, 'safety.yaml')));
  writeFileSync(join(place.folder, 'safety.yaml'), 'version: 1\nsafety: { host_budget: { starts: lots } }\n');
  t.same(await problemsOf(place), ['safety.yaml:2:34: starts: expected a number, got "lots"']);
});

t.test('every mistake of every file is told, sorted by place', async (t) => {
  const place = files(t, {
    'goodgateway.yaml': `${host.replace('hold:', 'hodl:').replace('service: shop', 'service: shp')}colour: red\n`,
    'policies.d/a.yaml': policy('shop').replace('mode: observe', 'mode: watch').replace('progress', '5').replace('do: start', 'do: fly'),
    'policies.d/b.yaml': policy('redis').replace('\nservice', '\n\tservice'),
    'policies.d/c.yaml': '',
  });
  t.same(
    (await problemsOf(place)).map((text) => text.split(': ', 2).join(': ')),
    [
      'goodgateway.yaml:3:96: unknown key `hodl`',
      'goodgateway.yaml:4:1: unknown key `colour`',
      'policies.d/a.yaml:3:7: mode',
      'policies.d/a.yaml:8:38: while',
      'policies.d/a.yaml:8:51: do',
      'policies.d/b.yaml:4:1: a tab in the indentation',
      'policies.d/c.yaml:1:1: the file is empty',
    ],
  );
});

t.test('an unknown service is told although its own file has other mistakes', async (t) => {
  const place = files(t, { 'goodgateway.yaml': `${host.replace('service: shop', 'service: shp')}colour: red\n`, 'policies.d/a.yaml': policy('shop') });
  t.same(
    (await problemsOf(place)).map((text) => text.split(': ')[0]),
    ['goodgateway.yaml:3:91', 'goodgateway.yaml:4:1'],
  );
});

t.test('a file that is none of ours is one problem, and never hangs', async (t) => {
  const cases: readonly (readonly [string, string | Uint8Array, string])[] = [
    ['too large', `#${'x'.repeat(1024 ** 2)}`, 'expected at most 1 MiB'],
    ['not UTF-8', new Uint8Array([0x76, 0xff, 0xfe]), 'expected UTF-8'],
    ['a comment only', '# nothing\n', 'the file is empty'],
    ['text only', 'hello\n', 'expected keys and values below it, got "hello"'],
    ['a list', '- a\n', 'expected keys and values below it, got a list'],
    ['nested without end', '['.repeat(100_000), 'nested too deeply'],
  ];
  for (const [what, content, message] of cases) {
    const problems = await problemsOf(files(t, { 'goodgateway.yaml': content }));
    t.equal(problems.length, 1, what, { problems });
    t.ok(problems[0]?.includes(message), what, { problems });
  }
  const place = files(t, {});
  t.same(await problemsOf(place), ['goodgateway.yaml:1:1: there is no such file']);
  execFileSync('mkfifo', [place.file]);
  t.same(await problemsOf(place), ['goodgateway.yaml:1:1: expected a file, and this is none']);
});

t.test("a key of the language's own machinery is only an unknown key", async (t) => {
  const place = files(t, { 'goodgateway.yaml': `${host}__proto__: { polluted: true }\nconstructor: 1\n`, 'policies.d/shop.yaml': policy('shop') });
  t.same(
    (await problemsOf(place)).map((text) => text.split(': ')[0]),
    ['goodgateway.yaml:4:1', 'goodgateway.yaml:5:1'],
  );
  t.equal(Reflect.get({}, 'polluted'), undefined);
});

t.test('root obeys no acting policy that others may change', { skip: process.getuid?.() === 0 ? false : 'only root is in this danger: run the tests as root' }, async (t) => {
  const place = files(t, { 'goodgateway.yaml': `${host}safety: safety.yaml\n`, 'safety.yaml': 'version: 1\nsafety: { enabled: true }\n', 'policies.d/shop.yaml': policy('shop', 'act') });
  const policies = join(place.folder, 'policies.d');
  const file = join(policies, 'shop.yaml');
  t.same(await problemsOf(place), [], 'also below /tmp, where all may write but nobody may replace what is ours');
  const why = (path: string) => path.replace(`${place.folder}/`, '');
  const inPolicy = (text: string) => [`policies.d/shop.yaml:3:7: mode act is refused, because ${text}`];
  chmodSync(file, 0o664);
  t.same(await problemsOf(place), inPolicy(`others may change the file ${why(file)}: chmod go-w ${why(file)}`));
  chmodSync(file, 0o644);
  chownSync(file, 1234, 0);
  t.same(await problemsOf(place), inPolicy(`the user 1234 owns the file ${why(file)}: chown root ${why(file)}`));
  chownSync(file, 0, 0);
  chmodSync(policies, 0o775);
  t.same(await problemsOf(place), inPolicy(`others may write into the folder ${why(policies)}: chmod go-w ${why(policies)}`));
  chmodSync(policies, 0o1777);
  t.same(await problemsOf(place), [], 'sticky');
  chmodSync(policies, 0o755);
  chownSync(policies, 1234, 0);
  t.same(await problemsOf(place), inPolicy(`the user 1234 owns the folder ${why(policies)}: chown root ${why(policies)}`));
  chownSync(policies, 0, 0);
  for (const name of ['goodgateway.yaml', 'safety.yaml']) {
    chmodSync(join(place.folder, name), 0o646);
    t.same(await problemsOf(place), [`${name}:1:1: policies of mode act are refused, because others may change the file ${name}: chmod go-w ${name}`]);
    chmodSync(join(place.folder, name), 0o644);
  }
  chownSync(place.folder, 1234, 0);
  t.equal((await problemsOf(place)).length, 3, 'a folder above all of them');
  writeFileSync(file, policy('shop'));
  t.same(await problemsOf(place), [], 'mode observe changes nothing, so its files may be shared');
});

t.test('a link is as safe as every folder on its way', { skip: process.getuid?.() === 0 ? false : 'only root is in this danger: run the tests as root' }, async (t) => {
  const place = files(t, { 'goodgateway.yaml': host, 'shop.yaml': policy('shop', 'act') });
  mkdirSync(join(place.folder, 'shared'));
  symlinkSync('../shared/shop.yaml', join(place.folder, 'policies.d/shop.yaml'));
  symlinkSync(join(place.folder, 'shop.yaml'), join(place.folder, 'shared/shop.yaml'));
  t.same(await problemsOf(place), []);
  chmodSync(join(place.folder, 'shared'), 0o777);
  t.same(await problemsOf(place), ['policies.d/shop.yaml:3:7: mode act is refused, because others may write into the folder shared: chmod go-w shared']);
  chmodSync(join(place.folder, 'shared'), 0o755);
  lchownSync(join(place.folder, 'policies.d/shop.yaml'), 1234, 0);
  t.match(await problemsOf(place), [/the user 1234 owns the file policies.d\/shop.yaml: chown -h root policies.d\/shop.yaml$/]);
});

t.test('a star matches within one name, and never a leading dot', async (t) => {
  const { folder } = files(t, { 'policies.d/a.yaml': '', 'policies.d/b.yaml': '', 'policies.d/.hidden.yaml': '', 'policies.d/notes.txt': '', 'c.yaml': '' });
  const found = async (pattern: string) => (await findPolicyFiles(folder, pattern)).map((file) => file.slice(folder.length + 1));
  t.same(await found('policies.d/*.yaml'), ['policies.d/a.yaml', 'policies.d/b.yaml']);
  t.same(await found('*/a*ml'), ['policies.d/a.yaml']);
  t.same(await found('*.yaml'), ['c.yaml']);
  t.same(await found('policies.d'), [], 'a folder is no file');
  t.same(await found('policies.d/*a*a*a*a*.yaml'), []);
});

t.test('the configuration that is named is used, else the usual one, else the one here', async (t) => {
  const { file, folder } = files(t, { 'goodgateway.yaml': host });
  t.equal(await findConfiguration(file), file);
  const before = process.cwd();
  t.teardown(() => process.chdir(before));
  process.chdir(folder);
  const found = await findConfiguration();
  t.ok(['/etc/goodgateway/goodgateway.yaml', file].includes(found), found);
});

t.test('each kind of file can be checked by itself', async (t) => {
  const { folder, file } = files(t, { 'goodgateway.yaml': `${host}proxy: { user: nobody }\n`, 'policies.d/shop.yaml': policy('shop'), 'safety.yaml': 'version: 1\nsafety: { enabled: no }\n' });
  t.same(await checkFile(file, bindings), { problems: [], warnings: [], policies: 1, gateways: 1 });
  t.same(await checkFile(join(folder, 'policies.d/shop.yaml'), bindings), { problems: [], warnings: [], policies: 1, gateways: 0 });
  const { problems } = await checkFile(join(folder, 'safety.yaml'), bindings);
  t.match(problems, [{ line: 2, column: 20, path: 'safety.enabled', message: 'enabled: expected true or false, got "no"' }]);
});

t.test('what the files name and the host lacks is a warning, at its place', async (t) => {
  const text = host.replace('service: shop,', 'service: shop, socket: { owner: nobdy, group: wwwdata }, nginx_error_log: /no/such/error.log,');
  const service =
    'service: { type: process, pidfile: /no/such/folder/shop.pid, start: [/no/such/program], stop: [/proc/version], reload: { signal: HUP }, config_test: [/bin/true], user: shopkeeper }';
  const place = files(t, {
    'goodgateway.yaml': text,
    'policies.d/shop.yaml': policy('shop').replace(/service: .*/, service),
    'policies.d/unit.yaml': policy('unit').replace(/service: .*/, 'service: { type: systemd, unit: unit.service }'),
    passwd: 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n',
    group: 'root:x:0:\nwww-data:x:33:\n',
  });
  t.same(await problemsOf(place), [], 'none of it is refused at load');
  const { written } = await readConfiguration(place.file, bindings);
  if (!written) throw new Error('nothing was read');
  const at = (name: string) => join(place.folder, name);
  const lacking = async (systemd: string) =>
    sortProblems(await checkHost(written, { passwd: at('passwd'), group: at('group'), systemd, asRoot: true })).map((one) => formatProblem(one).replaceAll(`${place.folder}/`, ''));
  const expected = [
    /^goodgateway.yaml:1:1: proxy: started by root without proxy.user, the proxy has every right/,
    /^goodgateway.yaml:3:\d+: owner: passwd has no `nobdy`, so the gateway cannot open its socket: did you mean `nobody`\?$/,
    /^goodgateway.yaml:3:\d+: group: group has no `wwwdata`, .*: did you mean `www-data`\?$/,
    /^goodgateway.yaml:3:\d+: nginx_error_log: there is no file \/no\/such\/error.log on this host/,
    /^policies.d\/shop.yaml:4:36: pidfile: the folder \/no\/such\/folder does not exist on this host$/,
    /^policies.d\/shop.yaml:4:\d+: start: \/no\/such\/program does not exist on this host$/,
    /^policies.d\/shop.yaml:4:\d+: stop: \/proc\/version is no program: chmod \+x, or name another one$/,
    /^policies.d\/shop.yaml:4:\d+: user: passwd has no `shopkeeper`, so the service cannot be started$/,
  ];
  t.match(await lacking(place.folder), expected);
  t.equal((await lacking(place.folder)).length, expected.length);
  t.match((await lacking(at('none'))).at(-1), /^policies.d\/unit.yaml:4:18: type: no systemd runs on this host \(there is no none\)/);
});
