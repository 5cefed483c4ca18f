import { once } from 'node:events';
import http, { type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { hostSchema } from '../../../src/config/host-schema.ts';
import { runProxy } from '../../../src/proxy/run-proxy.ts';
import { freePort } from '../../support/ports.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The real proxy, in this process, in front of a port on which a backend may come up. */
export async function gatewayInFront(t: TestScope, settings: object = {}) {
  const [listen, port, folder] = [await freePort(), await freePort(), tempFolder(t)];
  const warnings: string[] = [];
  const host = hostSchema.parse({
    version: 1,
    gateways: { app: { listen: `127.0.0.1:${listen}`, protocol: 'http', upstream: `127.0.0.1:${port}`, service: 'app', hold: { for: '100ms' }, ...settings } },
    runtime: folder,
    state: folder,
    audit: { folder },
  });
  const proxy = await runProxy(host, 'test', { info: () => undefined, warn: (_fields, message) => void warnings.push(message) });
  t.teardown(() => proxy.close(AbortSignal.abort()));
  const gateway = proxy.gateways.get('app')!;

  const ask = (headers: Readonly<Record<string, string>> = {}, method = 'GET', path = '/'): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const request = http.request({ host: '127.0.0.1', port: listen, agent: false, headers, method, path }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      });
      request.once('error', reject);
      request.end(method === 'POST' ? 'x' : undefined);
    });
  const startBackend = async (answer: RequestListener): Promise<Server> => {
    const server = http.createServer(answer).listen(port, '127.0.0.1');
    t.teardown(() => server.close().closeAllConnections());
    await once(server, 'listening');
    return server;
  };
  return { url: `http://127.0.0.1:${listen}`, gateway, ask, startBackend, warnings };
}

/** What a browser sends with a click. */
export const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' } as const;
