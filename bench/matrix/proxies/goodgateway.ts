import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { productVersion } from '../../../src/config/product-version.ts';
import { formatAddress } from '../../../src/core/failure.ts';
import { fastcgiLocation, startNginx } from '../../../test/support/nginx.ts';
import { isRoot, missing } from '../../../test/support/skip.ts';
import { tempFolder, type TestScope } from '../../../test/support/temp-folder.ts';
import { newAddress } from '../stage.ts';
import { runProxyProgram, type Proxy, type ProxySetup, type RunningProxy } from './proxy.ts';

const program = join(import.meta.dirname, '../../../src/proxy/main.ts');
const rights = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*'];

/** The proxy process alone, with the rights that it has in production; no healer: the tables are about the data plane. */
export const goodgateway: Proxy = {
  name: 'goodgateway',
  isGoodgateway: true,
  version: () => Promise.resolve(productVersion()),
  start: startProxy,
};

/** Behind nginx's `fastcgi_pass`, as it is installed. */
export const goodgatewayBehindNginx: Proxy = {
  name: 'nginx → goodgateway',
  isGoodgateway: true,
  version: () => Promise.resolve(missing('nginx') === false ? productVersion() : undefined),
  start: async (scope, setup) => {
    const { front, revive } = await startProxy(scope, { ...setup, front: await newAddress(scope, setup.backend.kind === 'unix') });
    const http = `upstream gateway { server ${formatAddress(front)} max_fails=0; }`;
    const nginx = await startNginx(scope, { http, server: fastcgiLocation('gateway', '/srv') });
    return { front: { kind: 'tcp', host: '127.0.0.1', port: nginx.port }, revive };
  },
};

/** What nginx gets to read. */
export const goodgatewayRecords: Proxy = { ...goodgateway, name: 'its records', speaksFastcgi: true };

function startProxy(scope: TestScope, setup: ProxySetup): Promise<RunningProxy> {
  const folder = tempFolder(scope, 'gg-m');
  const config = join(folder, 'goodgateway.yaml');
  const gateway = {
    listen: formatAddress(setup.front),
    ...(isRoot ? { socket: { group: 'www-data' } } : {}),
    ...(setup.protocol === 'fastcgi' ? { listen_on_tcp_anyway: true } : {}),
    protocol: setup.protocol,
    upstream: formatAddress(setup.backend),
    service: 'matrix',
    timeouts: { connect: '1s', response: setup.patient === true ? '10s' : '1s', idle: '1s' },
    hold: { for: setup.patient === true ? '15s' : '1s' },
    replay: { idempotency_key: setup.patient === true },
  };
  const places = { audit: { folder: join(folder, 'audit') }, state: join(folder, 'state'), runtime: join(folder, 'runtime') };
  for (const name of ['audit', 'state', 'runtime']) mkdirSync(join(folder, name));
  writeFileSync(config, stringify({ version: 1, gateways: { matrix: gateway }, ...places, log: { level: 'error' } }));
  const environment = { GOODGATEWAY_SUPERVISOR: String(process.pid) };
  return runProxyProgram(scope, { argv: [process.execPath, '--disable-warning=ExperimentalWarning', ...rights, program, '--config', config], front: setup.front, environment });
}
