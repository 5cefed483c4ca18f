/** What a preparation that is refused, abandoned or overtaken must not do: to sockets that serve, and to what is in force. */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { FromHealer } from '../../src/channel/messages.ts';
import { protocolVersion } from '../../src/channel/messages.ts';
import { loadHost, type LoadedHost } from '../../src/config/load-host.ts';
import { readBuiltIn } from '../../src/proxy/fallback/load-pages.ts';
import { GatewayTable } from '../../src/proxy/gateway-table.ts';
import { createGatewayReload } from '../../src/proxy/reload-gateways.ts';
import { someoneListens } from '../../src/channel/listen-on.ts';
import { isRoot } from '../support/skip.ts';
import { listenAsHealer } from '../support/listen-as-healer.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

/** A group that this process may give sockets to. */
const ours = String(process.getgid?.());
const log = { info: () => undefined, warn: () => undefined };

/** A proxy's gateways, as they are reloaded; `prepare` takes the text of a goodgateway.yaml, whose hash it resolves with, too. */
async function reloading(t: Test) {
  const folder = tempFolder(t);
  const written = new Map<string, LoadedHost>();
  const take = async (gateways: string): Promise<LoadedHost> => {
    const file = join(folder, 'goodgateway.yaml');
    writeFileSync(file, `version: 1\nruntime: ${folder}\nstate: ${folder}\naudit: { folder: ${folder} }\ngateways:\n${gateways}`);
    const loaded = await loadHost(file);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    written.set(loaded.sha256, loaded);
    return loaded;
  };
  const gateway = (name: string, group: string, port = 59_999): string =>
    `  ${name}: { listen: "unix:${folder}/${name}.sock", socket: { group: "${group}" }, protocol: http, upstream: 127.0.0.1:${port}, service: shop }\n`;
  const first = await take(gateway('shop', ours));
  const table = new GatewayTable({ tell: () => undefined, log, requestLog: log, builtIn: await readBuiltIn(() => undefined) });
  t.teardown(() => table.close(AbortSignal.abort()));
  const prepared = await table.prepare(first.host.gateways, 'any');
  if (!prepared.ok) throw new Error(JSON.stringify(prepared.problems));
  prepared.prepared.commit();
  const read = (sha256?: string): Promise<LoadedHost | { ok: false; problems: readonly string[] }> => Promise.resolve(written.get(sha256 ?? '') ?? { ok: false, problems: ['no such file'] });
  return { folder, gateway, take, reload: createGatewayReload({ table, log, source: { first, read } }) };
}

const rightsOf = (path: string): string => {
  const { uid, gid, mode } = statSync(path);
  return `${uid}:${gid} ${(mode & 0o777).toString(8)}`;
};

t.test('a group that does not exist takes no rights from the socket that serves, and opens none', { skip: !isRoot && 'needs root, to give sockets away' }, async (t) => {
  const { folder, gateway, take, reload } = await reloading(t);
  const usual = await take(gateway('shop', 'www-data'));
  t.same(await reload.prepare(usual.sha256), []);
  t.ok(reload.swap(usual.sha256));
  const before = rightsOf(join(folder, 'shop.sock'));
  const typo = await take(gateway('shop', 'wwwdata'));
  t.match(await reload.prepare(typo.sha256), [/\/etc\/group has no "wwwdata"/]);
  t.equal(rightsOf(join(folder, 'shop.sock')), before, 'nginx reaches it as before');

  const news = await take(gateway('shop', 'www-data') + gateway('blog', 'wwwdata'));
  t.match(await reload.prepare(news.sha256), [/\/etc\/group has no "wwwdata"/]);
  t.equal(existsSync(join(folder, 'blog.sock')) && (await someoneListens(join(folder, 'blog.sock'))), false, 'the refused gateway takes nobody');
  const mended = await take(gateway('shop', 'www-data') + gateway('blog', 'www-data'));
  t.same(await reload.prepare(mended.sha256), [], 'and is not in the way of the mended one');
  t.ok(reload.swap(mended.sha256));
  t.ok(await someoneListens(join(folder, 'blog.sock')));
});

t.test('a word that means something else than what is ready changes nothing', async (t) => {
  const { gateway, take, reload } = await reloading(t);
  const [one, other] = [await take(gateway('shop', ours, 50_001)), await take(gateway('shop', ours, 50_002))];
  const before = reload.sha256();
  t.same(await Promise.all([reload.prepare(one.sha256), reload.prepare(other.sha256)]), [[], []]);
  t.equal(reload.swap(one.sha256), false, 'the other one is ready by now');
  await reload.abandon(one.sha256);
  t.equal(reload.sha256(), before);
  t.ok(reload.swap(other.sha256), 'which was not abandoned with it');
  t.equal(reload.sha256(), other.sha256);
  t.equal(reload.swap(other.sha256), false, 'once');
});

t.test('the healer believes of each proxy only what it says itself', async (t) => {
  const [inForce, next] = ['a'.repeat(64), 'b'.repeat(64)];
  const path = join(tempFolder(t), 'healer.sock');
  const link = await listenAsHealer(t, { path, inForce: { gateways: new Set(['shop']), sha256: inForce }, log });
  const proxy = async () => {
    const socket = connect(path).setEncoding('utf8');
    t.teardown(() => socket.destroy());
    let text = '';
    socket.on('data', (chunk: string) => (text += chunk));
    const got = (): readonly FromHealer[] => text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as FromHealer]));
    const say = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`);
    say({ type: 'hello', version: protocolVersion, product: '0', gateways: ['shop'], config: inForce });
    await until(() => got().length > 0, { timeoutMs: 10_000, what: 'the welcome' });
    const asked = (): Promise<Extract<FromHealer, { type: 'prepare' }>> => until(() => got().findLast((one) => one.type === 'prepare'), { timeoutMs: 10_000, what: 'the question' });
    return { socket, got, say, asked };
  };
  const [silent, liar] = [await proxy(), await proxy()];
  let answer: readonly string[] | undefined;
  void link.prepare(next).then((problems) => (answer = problems));
  const [{ id }, own] = [await silent.asked(), await liar.asked()];
  liar.say({ type: 'prepared', id, problems: [] });
  liar.say({ type: 'prepared', id: own.id, problems: [] });
  // a question to the healer that comes behind them was read after them
  liar.say({ type: 'question', id: 1, about: 'services' });
  await until(() => liar.got().some(({ type }) => type === 'answer'), { timeoutMs: 10_000, what: 'both to be read' });
  t.equal(answer, undefined, 'nobody speaks for another');
  silent.say({ type: 'prepared', id, problems: ['no'] });
  await until(() => answer, { timeoutMs: 10_000, what: 'the answer' });
  t.same(answer, ['no']);
  link.abandon(next);
  await until(() => silent.got().some((one) => one.type === 'abandon' && one.sha256 === next), { timeoutMs: 10_000, what: 'the word by its name' });
});
