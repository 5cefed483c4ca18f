import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { productVersion } from '../../../src/config/product-version.ts';
import { formatAddress } from '../../../src/core/failure.ts';
import { fastcgiLocation, startNginx } from '../../../test/support/nginx.ts';
import { isRoot, missing } from '../../../test/support/skip.ts';
import { tempFolder, type TestScope } from '../../../test/support/temp-folder.ts';
import { newAddress } from '../stage.ts';
import { runProxyProgram, type Proxy, type ProxySetup } from './proxy.ts';

const program = join(import.meta.dirname, '../../../src/proxy/main.ts');
const rights = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*'];

/** The proxy process alone, with the rights that it has in production; no healer: the tables are about the data plane. */
export const goodgateway: Proxy = {
  name: 'goodgateway',
  isGoodgateway: true,
  version: () => Promise.resolve(productVersion()),
  start: (scope, setup) => {
    const { file, host } = goodgatewayFile(scope, setup);
    writeFileSync(file, stringify(host));
    const argv = [process.execPath, '--disable-warning=ExperimentalWarning', ...rights, program, '--config', file];
    return runProxyProgram(scope, { argv, front: setup.front, environment: { GOODGATEWAY_SUPERVISOR: String(process.pid) } });
  },
};

/** What nginx gets to read. */
export const goodgatewayRecords: Proxy = { ...goodgateway, name: 'its records', speaksFastcgi: true };

/** Behind nginx's `fastcgi_pass`, as it is installed. */
export const goodgatewayBehindNginx: Proxy = {
  name: 'nginx → goodgateway',
  isGoodgateway: true,
  version: () => Promise.resolve(missing('nginx') === false ? productVersion() : undefined),
  start: behindNginx(goodgateway.start),
};

/** Puts nginx in front; what is revived is the goodgateway. */
export function behindNginx(start: Proxy['start']): Proxy['start'] {
  return async (scope, setup) => {
    const { front, revive } = await start(scope, { ...setup, front: await newAddress(scope, setup.backend.kind === 'unix') });
    const http = `upstream gateway { server ${formatAddress(front)} max_fails=0; }`;
    const nginx = await startNginx(scope, { http, server: fastcgiLocation('gateway', '/srv') });
    return { front: { kind: 'tcp', host: '127.0.0.1', port: nginx.port }, revive };
  };
}

/** goodgateway.yaml of the tables, and the folder that it speaks of. */
export function goodgatewayFile(scope: TestScope, { protocol, backend, front, patient = false }: ProxySetup) {
  const folder = tempFolder(scope, 'gg-m');
  const gateway = {
    listen: formatAddress(front),
    ...(isRoot ? { socket: { group: 'www-data' } } : {}),
    ...(protocol === 'fastcgi' ? { listen_on_tcp_anyway: true } : {}),
    protocol,
    upstream: formatAddress(backend),
    service: 'matrix',
    timeouts: { connect: '1s', response: patient ? '10s' : '1s', idle: '1s' },
    hold: { for: patient ? '15s' : '1s' },
    replay: { idempotency_key: patient },
  };
  for (const name of ['audit', 'state', 'runtime']) mkdirSync(join(folder, name));
  const places = { audit: { folder: join(folder, 'audit') }, state: join(folder, 'state'), runtime: join(folder, 'runtime') };
  return { file: join(folder, 'goodgateway.yaml'), host: { version: 1, gateways: { matrix: gateway }, ...places, log: { level: 'error' } } };
}
