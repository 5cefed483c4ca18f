/** The proxy of this source tree in the test's own process, with one FastCGI gateway and a real nginx before it; no healer. */
import { join } from 'node:path';
import { hostSchema } from '../../src/config/host-schema.ts';
import { parseAddress, type Address } from '../../src/core/failure.ts';
import type { Gateway } from '../../src/proxy/gateway.ts';
import { runProxy } from '../../src/proxy/run-proxy.ts';
import { fastcgiLocation, startNginx, type Nginx } from './nginx.ts';
import { freePort } from './ports.ts';
import { isRoot } from './skip.ts';
import { tempFolder, type TestScope } from './temp-folder.ts';

export interface FastcgiGatewayOptions {
  /** The backend, as the configuration spells it. */
  readonly upstream: string;
  /** Where nginx finds the gateway. Default: a unix socket. */
  readonly listen?: 'unix' | 'tcp';
  /** Other keys of the gateway. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly docroot?: string;
  /** More lines for nginx's location. */
  readonly location?: string;
}

export interface FastcgiGateway {
  readonly nginx: Nginx;
  /** Where nginx finds the gateway, and a raw client may, too. */
  readonly address: Address;
  readonly gateway: Gateway;
  /** The lines that the proxy logged about requests. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
}

/** Both are ended when the test is over. */
export async function startFastcgiGateway(t: TestScope, { upstream, listen = 'unix', settings = {}, docroot = '/srv', location = '' }: FastcgiGatewayOptions): Promise<FastcgiGateway> {
  const folder = tempFolder(t);
  const address = listen === 'unix' ? `unix:${join(folder, 'shop.sock')}` : `127.0.0.1:${await freePort()}`;
  const ours = { listen: address, listen_on_tcp_anyway: true, protocol: 'fastcgi', upstream, service: 'php', ...(isRoot ? { socket: { group: 'www-data' } } : {}) };
  const host = hostSchema.parse({ version: 1, gateways: { shop: { ...ours, ...settings } }, runtime: folder, state: folder, audit: { folder } });
  const log: Readonly<Record<string, unknown>>[] = [];
  const proxy = await runProxy(host, 'test', { info: (fields, message) => void (message === 'request' && log.push(fields as Readonly<Record<string, unknown>>)), warn: () => undefined });
  t.teardown(() => proxy.close(AbortSignal.abort()));
  const nginx = await startNginx(t, { http: `upstream gateway { server ${address} max_fails=0; keepalive 32; }`, server: fastcgiLocation('gateway', docroot, location) });
  return { nginx, log, address: parseAddress(address)!, gateway: proxy.gateways.get('shop')! };
}
