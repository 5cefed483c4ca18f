/** `proxy.user`: what the proxy is, what it may write to, and what a stranger with its rights cannot do to the healer. */
import { chownSync, existsSync, lstatSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { listenOn } from '../../src/channel/listen-on.ts';
import { whyNotTrusted } from '../../src/channel/whose-socket.ts';
import { startGoodgateway, type Goodgateway } from '../support/goodgateway.ts';
import { signal } from '../support/processes.ts';
import { finish, type Finished } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { replaceFile, tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const skip = !isRoot && 'needs root, to give rights away';
const project = join(import.meta.dirname, '../..');
const idOf = (file: string, name: string): number =>
  Number(
    readFileSync(file, 'utf8')
      .split('\n')
      .find((line) => line.startsWith(`${name}:`))
      ?.split(':')[2],
  );
const account = { uid: idOf('/etc/passwd', 'www-data'), gid: idOf('/etc/group', 'www-data') };

/** A program with exactly the proxy's rights. */
function asProxy(...argv: readonly string[]): Promise<Finished> {
  return finish(['/usr/bin/setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', ...argv], { folder: '/' });
}

async function scene(t: Test): Promise<Goodgateway> {
  const backend = createServer((_request, answer) => answer.end('hello')).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  t.teardown(() => {
    backend.closeAllConnections();
    backend.close();
  });
  const { port } = backend.address() as { port: number };
  return startGoodgateway(t, {
    gateways: (folder) => ({ shop: { listen: `unix:${folder}/runtime/shop.sock`, socket: { group: 'www-data' }, protocol: 'http', upstream: `127.0.0.1:${port}`, service: 'shop' } }),
    policies: [{ version: 1, name: 'shop', mode: 'act', service: { type: 'external' } }],
    host: { proxy: { user: 'www-data' } },
  });
}

function ask(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/' }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode));
    })
      .once('error', reject)
      .end();
  });
}

t.test('R24 least privilege: the proxy is another user without rights, and the healer obeys nothing that it can write', { skip }, async (t) => {
  const gateway = await scene(t);
  const { folder } = gateway;
  const runtime = join(folder, 'runtime');
  const status = (name: 'proxy' | 'healer'): string => readFileSync(`/proc/${gateway.pid(name)}/status`, 'utf8');
  const { uid, gid } = account;
  t.match(status('proxy'), new RegExp(`Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}\\nGid:\\t${gid}\\t${gid}\\t${gid}\\t${gid}`), 'it cannot come back from there');
  t.match(status('proxy'), new RegExp(`Groups:\\t(${gid} )? ?\\n`), 'no supplementary groups');
  for (const set of ['Inh', 'Prm', 'Eff', 'Amb']) t.match(status('proxy'), `Cap${set}:\t0000000000000000`);
  t.match(status('healer'), 'Uid:\t0\t0\t0\t0');
  const argv = readFileSync(`/proc/${gateway.pid('proxy')}/cmdline`, 'utf8').split('\0');
  t.ok(argv.includes('--permission'));
  t.same(
    argv.filter((word) => /^--allow-(fs-(read|write)=(\*|\/\*?)$|child|worker|addons|wasi)/.test(word)),
    [],
    'and of the files only those that it needs',
  );
  t.equal(await ask(join(runtime, 'shop.sock')), 200, 'it works all the same');
  t.match(await gateway.command('status'), { output: /shop: unknown/ });

  // only root could make a place for another socket there
  const written = readFileSync(gateway.config, 'utf8');
  replaceFile(gateway.config, written.replace('runtime/shop.sock', 'runtime/other.sock'));
  signal(gateway.pid('supervisor')!, 'SIGHUP');
  const refused = await until(() => gateway.audit().find(({ event }) => event === 'policy.rejected'), { timeoutMs: 15_000, what: 'the refusal' });
  t.match(refused['text'], /goodgateway\.yaml:\d+:\d+: the proxy may make no socket in .*runtime: .*restart it \(units of systemd.* \(says the proxy\)/);
  replaceFile(gateway.config, written.replace(/timeouts:.*/, '').replace('service: shop', 'service: shop\n    timeouts: { connect: 2s }'));
  signal(gateway.pid('supervisor')!, 'SIGHUP');
  await until(() => gateway.audit().some(({ text }) => text === 'the gateways were read again: shop'), { timeoutMs: 15_000, what: () => `a reload: ${gateway.log().slice(-1500)}` });
  t.equal(await ask(join(runtime, 'shop.sock')), 200, 'its socket was kept');

  // everything that the healer reads as code, obeys or relies on
  const own = [join(runtime, 'proxy'), join(runtime, 'proxy/compile-cache'), join(runtime, 'proxy/shop.sock'), join(runtime, 'healer.sock')];
  const places = [folder, join(project, 'src'), join(project, 'package.json'), process.execPath];
  const { output } = await asProxy('/usr/bin/find', ...places, '-not', '-type', 'l', '-writable');
  const writable = output.split('\n').filter((path) => path.startsWith('/') && !path.startsWith('/usr/bin/find: ') && !path.startsWith(join(runtime, 'proxy/compile-cache/')));
  t.same(writable.sort(), own.sort(), 'its own folder, its own sockets, and the socket on which it may ask: nothing else is writable to it');
  t.match(await asProxy('/usr/bin/find', process.execPath, join(project, 'src', 'healer', 'main.ts'), '-not', '-writable', '-printf', 'x'), { output: /^xx$/ }, 'that was really looked at');
  for (const name of ['healer.sock', 'control.sock', 'shop.sock']) {
    const path = join(runtime, name);
    for (const attack of [`rm -f ${path}`, `mv ${path} ${path}.old`, `mv ${runtime}/proxy/shop.sock ${path}`, `ln -sf /tmp/x ${path}`]) t.not((await asProxy('/bin/sh', '-c', attack)).code, 0, attack);
    t.ok(existsSync(path));
  }
  for (const name of ['healer.sock', 'control.sock', 'proxy/../healer.sock']) t.not((await asProxy('/bin/chmod', '777', join(runtime, name))).code, 0, name);
  const about = statSync(join(runtime, 'healer.sock'));
  t.same([about.uid, about.gid, about.mode & 0o777], [0, gid, 0o660]);
  const control = statSync(join(runtime, 'control.sock'));
  t.same([control.uid, control.gid, control.mode & 0o777], [0, 0, 0o660]);
  const knock = `require('node:net').connect('${runtime}/control.sock').on('error', (error) => console.log(error.code)).on('connect', () => console.log('let in'))`;
  t.match(await asProxy(process.execPath, '-e', knock), { output: /EACCES/ }, 'to operators it does not belong');

  // while the healer is away its names are not free either
  const supervisor = gateway.pid('supervisor')!;
  process.kill(supervisor, 'SIGSTOP');
  t.teardown(() => signal(supervisor, 'SIGCONT'));
  await gateway.kill('healer');
  for (const name of ['healer.sock', 'control.sock']) unlinkSync(join(runtime, name));
  t.not((await asProxy('/bin/sh', '-c', `mkdir ${runtime}/healer.sock || ln -s /tmp/x ${runtime}/control.sock || touch ${runtime}/healer.lock`)).code, 0);
  process.kill(supervisor, 'SIGCONT');
  await until(async () => (await gateway.command('status')).output.includes('healing is on'), { timeoutMs: 30_000, what: 'the healer to be back' });
  process.kill(supervisor, 'SIGHUP');
  await until(() => /"why":"SIGHUP".*"msg":"the configuration was read again/.test(gateway.log()), { timeoutMs: 20_000, what: 'SIGHUP to reach the healer' });
  const killed = await gateway.kill('proxy');
  await until(() => gateway.pid('proxy') !== undefined && gateway.pid('proxy') !== killed && ask(join(runtime, 'shop.sock')).then((code) => code === 200), {
    timeoutMs: 30_000,
    what: 'the proxy to be back without rights',
  });
  t.match(status('proxy'), `Uid:\t${uid}\t`);
  t.equal(await gateway.stop(), 0);
});

t.test('what cannot be obeyed is refused with words, before anything starts', { skip }, async (t) => {
  const folder = tempFolder(t, 'gg-refused');
  mkdirSync(join(folder, 'policies.d'));
  writeFileSync(join(folder, 'policies.d/shop.yaml'), 'version: 1\nname: shop\nmode: observe\nservice: { type: external }\n');
  const config = join(folder, 'goodgateway.yaml');
  const run = async (host: object, listen = `unix:${folder}/run/shop.sock`): Promise<Finished> => {
    const gateways = { shop: { listen, protocol: 'http', upstream: '127.0.0.1:9', service: 'shop' } };
    writeFileSync(config, stringify({ version: 1, gateways, audit: { folder: join(folder, 'audit') }, state: join(folder, 'state'), runtime: join(folder, 'run'), ...host }));
    return finish([process.execPath, '--disable-warning=ExperimentalWarning', join(project, 'src/cli/main.ts'), 'run', '--config', config]);
  };
  t.match(await run({ proxy: { user: 'nobody-here' } }), { code: 2, output: /proxy.user: \/etc\/passwd has no "nobody-here"/ });
  t.match(await run({ proxy: { user: 'www-data', group: 'nobody-here' } }), { code: 2, output: /proxy.group: \/etc\/group has no "nobody-here"/ });
  t.match(await run({ proxy: { group: 'www-data' } }), { code: 2, output: /proxy.group needs proxy.user/ });
  t.match(await run({ proxy: { user: 'root' } }), { code: 2, output: /"root" is root's/ });
  t.match(await run({ proxy: { user: 'www-data', group: 'root' } }), { code: 2, output: /"root" is root's/ });
  t.match(await run({ proxy: { user: 'www-data' } }, `unix:${folder}/shop.sock`), { code: 2, output: /may make no socket in/ });
  mkdirSync(join(folder, 'www'));
  chownSync(join(folder, 'www'), account.uid, account.gid);
  for (const place of ['state', 'runtime'])
    t.match(await run({ proxy: { user: 'www-data' }, [place]: join(folder, 'www') }), { code: 2, output: /could change .*www, which the healer relies on: chown root/ }, place);
  t.notOk(existsSync(join(folder, 'run/healer.sock')), 'nothing was started');
  const checked = await finish([process.execPath, '--disable-warning=ExperimentalWarning', join(project, 'src/cli/main.ts'), 'check', '--config', config]);
  t.match(checked.output, /fine/);
});

t.test("a stranger's socket is neither believed nor respected", { skip }, async (t) => {
  const folder = tempFolder(t, 'gg-squat');
  const path = join(folder, 'control.sock');
  const squatter = createSocketServer().listen(path);
  await once(squatter, 'listening');
  t.teardown(() => squatter.close());
  t.equal(whyNotTrusted(path), undefined, 'our own');
  chownSync(path, account.uid, account.gid);
  t.match(whyNotTrusted(path), /belongs to the user/);
  writeFileSync(
    join(folder, 'goodgateway.yaml'),
    stringify({ version: 1, gateways: { shop: { listen: `unix:${folder}/s`, protocol: 'http', upstream: '127.0.0.1:9', service: 'shop' } }, runtime: folder }),
  );
  const asked = await finish([process.execPath, '--disable-warning=ExperimentalWarning', join(project, 'src/cli/main.ts'), 'status', '--config', join(folder, 'goodgateway.yaml')]);
  t.match(asked, { code: 1, output: /nobody is asked: .*control.sock belongs to the user/ });
  const healer = createSocketServer();
  t.teardown(() => healer.close());
  await t.rejects(listenOn(healer, { kind: 'unix', path }, { mode: '0660' }), /another process listens/, 'a gateway stays away from it');
  await listenOn(healer, { kind: 'unix', path }, { mode: '0660', evenIfAnotherListens: true });
  t.equal(lstatSync(path).uid, 0, 'the healer takes its name back');
});
