/** The real logrotate, with the snippet of docs/access-log.md, while requests come in; the proxy has no rights. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { readRecord } from '../fixtures/proxy/observed-proxy.ts';
import { documentedBlocks } from '../support/documented.ts';
import { startGoodgateway } from '../support/goodgateway.ts';
import { startLoad } from '../support/load.ts';
import { freePort } from '../support/ports.ts';
import { succeed } from '../support/program.ts';
import { readExposition, valueOf } from '../support/prometheus.ts';
import { isRoot, missing, programPath } from '../support/skip.ts';
import { until } from '../support/until.ts';

t.test(
  'logrotate moves the record under load: the same proxy goes on in a new file, and no line is lost',
  { skip: missing('logrotate') || (!isRoot && 'needs root, to give rights away') },
  async (t) => {
    const backend = createServer((_request, answer) => answer.end('hello')).listen(0, '127.0.0.1');
    await once(backend, 'listening');
    t.teardown(() => {
      backend.closeAllConnections();
      backend.close();
    });
    const { port } = backend.address() as { port: number };
    const listen = await freePort();
    let place = '';
    const gateway = await startGoodgateway(t, {
      gateways: (folder) => {
        place = join(folder, 'access', 'access.log');
        return { shop: { listen: `127.0.0.1:${listen}`, protocol: 'http', upstream: `127.0.0.1:${port}`, service: 'shop' } };
      },
      policies: [{ version: 1, name: 'shop', mode: 'observe', service: { type: 'external' } }],
      host: (folder) => ({ proxy: { user: 'www-data' }, access_log: { file: join(folder, 'access', 'access.log') } }),
    });
    const folder = join(gateway.folder, 'access');
    t.equal(statSync(folder).uid, statSync(place).uid, "the folder that was missing is the proxy's, as the file is");
    t.not(statSync(place).uid, 0);
    const proxy = gateway.pid('proxy');
    const argv = readFileSync(`/proc/${proxy}/cmdline`, 'utf8').split('\0');
    t.same(
      argv.filter((word) => word.includes(folder) && word.startsWith('--allow')),
      [`--allow-fs-write=${place}`, `--allow-fs-write=${place}/*`],
      'it may write that file, and nothing beside it',
    );

    const [snippet = ''] = documentedBlocks('docs/access-log.md', 'logrotate');
    const config = join(gateway.folder, 'logrotate.conf');
    const here = snippet
      .replace('/var/log/goodgateway-access/access.log', place)
      .replaceAll('goodgateway www-data', 'www-data www-data')
      .replace('$(systemctl show --property MainPID --value goodgateway)', String(gateway.pid('supervisor')))
      .replace('daily', 'size 1')
      .replace('    delaycompress\n', '')
      .replace('    compress\n', '');
    t.match(here, /su www-data www-data[^]*create 0640 www-data www-data/);
    writeFileSync(config, here, { mode: 0o644 });
    const load = startLoad(t, { port: listen, rate: 200 });
    for (const rotated of ['access.log.1', 'access.log.2']) {
      await until(() => statSync(place).size > 0, { timeoutMs: 20_000, what: 'lines' });
      await succeed([programPath('logrotate'), '--state', join(gateway.folder, 'rotations'), config]);
      await until(() => readdirSync(folder).includes(rotated) && statSync(place).size > 0, {
        timeoutMs: 15_000,
        what: () => `lines after ${rotated}: ${readdirSync(folder)} ${gateway.log().slice(-2000)}`,
      });
    }
    const results = await load.stop();
    const metrics = readExposition(await (await fetch(`${gateway.adminUrl}/metrics`)).text());
    t.equal(valueOf(metrics, 'goodgateway_access_log_lines_dropped_total'), 0);
    t.ok((valueOf(metrics, 'process_open_fds') ?? 0) > 5, 'its own descriptors it may count');
    t.equal(gateway.pid('proxy'), proxy, 'the same process');
    await gateway.stop();
    t.match(gateway.log(), /SIGHUP: the access record was opened again/);
    const files = ['access.log.2', 'access.log.1', 'access.log'].map((name) => readRecord(join(folder, name)));
    t.ok(files.every((lines) => lines.length > 0));
    t.equal(files.flat().length, results.length, 'each request has its line');
    t.ok(results.every(({ status }) => status === 200));
  },
);

t.test('a folder that the proxy may not write to is refused with words', { skip: !isRoot && 'needs root, to give rights away' }, async (t) => {
  const started = startGoodgateway(t, {
    gateways: (folder) => ({ shop: { listen: `unix:${folder}/runtime/shop.sock`, protocol: 'http', upstream: '127.0.0.1:9', service: 'shop' } }),
    policies: [{ version: 1, name: 'shop', mode: 'observe', service: { type: 'external' } }],
    host: (folder) => ({ proxy: { user: 'www-data' }, access_log: { file: join(folder, 'access.log') } }),
  });
  await t.rejects(started, /access_log\.file: the user "www-data" may make no file in .*: name a file in a folder of its own/);
});
