/** What the printed lines are tried with: three gateways in the test's own process, their backends, and nginx by each kind. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { nginxSnippet, type SnippetKind } from '../../src/cli/nginx-snippet.ts';
import { hostSchema, type HostConfig } from '../../src/config/host-schema.ts';
import { runProxy, type RunningProxy } from '../../src/proxy/run-proxy.ts';
import { makeAuthority } from '../fixtures/tls/certificates.ts';
import { startDocumentedNginx } from '../support/documented.ts';
import type { Nginx } from '../support/nginx.ts';
import { startPhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { freePort } from '../support/ports.ts';
import { finish, type Finished } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

export const kinds = ['inline', 'standby', 'bypass'] as const;
/** One for each way in which nginx and a backend may speak. */
export const sites = ['shop', 'app', 'safe'] as const;
export type Site = (typeof sites)[number];

export interface Stage {
  readonly config: string;
  readonly host: HostConfig;
  readonly fpm: PhpFpm;
  /** HTTP and HTTPS. */
  readonly backends: { readonly app: Backend; readonly safe: Backend };
  readonly proxy: RunningProxy;
  /** Lines `METHOD target`, of PHP and of both others. */
  executions(): readonly string[];
  nginx(t: TestScope, kind: SnippetKind): Promise<Nginx>;
  /** Runs a sub-command with this configuration. */
  command(...words: readonly string[]): Promise<Finished>;
}

/** Everything is running when this resolves, but nginx. */
export async function setStage(t: TestScope, executions: () => readonly string[], scripts: Readonly<Record<string, string>>): Promise<Stage> {
  const folder = tempFolder(t, 'gg-snip');
  const fpm = await startPhpFpm(t, { scripts, maxChildren: 8 });
  const authority = makeAuthority(folder);
  const seen: string[] = [];
  const app = await startBackend(t, seen);
  const safe = await startBackend(t, seen, authority.issue('safe', 'DNS:safe.internal'));
  const config = join(folder, 'goodgateway.yaml');
  const common = (name: Site) => ({ listen: `unix:${folder}/${name}.sock`, service: name, hold: { for: '4s' }, timeouts: { response: '10s' }, ...(isRoot && { socket: { group: 'www-data' } }) });
  const written = {
    version: 1,
    gateways: {
      shop: { ...common('shop'), protocol: 'fastcgi', upstream: fpm.address },
      app: { ...common('app'), listen: [`127.0.0.1:${await freePort()}`, `unix:${folder}/app.sock`], protocol: 'http', upstream: app.address },
      safe: { ...common('safe'), protocol: 'http', upstream: safe.address, tls: { server_name: 'safe.internal', ca: authority.caFile } },
    },
    runtime: folder,
    state: join(folder, 'state'),
    audit: { folder: join(folder, 'audit') },
  };
  mkdirSync(written.state);
  writeFileSync(config, stringify(written));
  const host = hostSchema.parse(written);
  const proxy = await runProxy(host, 'test', { info: () => undefined, warn: () => undefined });
  t.teardown(() => proxy.close(AbortSignal.abort()));
  return {
    config,
    host,
    fpm,
    proxy,
    backends: { app, safe },
    executions: () => [...seen, ...executions()],
    nginx: (scope, kind) => startDocumentedNginx(scope, wholeBlock(host, kind, fpm.docroot), {}),
    command: (...words) => finish([process.execPath, join(import.meta.dirname, '../../src/cli/main.ts'), ...words, '--config', config]),
  };
}

/** As an administrator puts the printed lines into sites. A second site of each has an nginx that waits for one second only. */
function wholeBlock({ gateways }: HostConfig, kind: SnippetKind, docroot: string): string {
  const snippets = Object.entries(gateways)
    .toSorted()
    .map(([name, config]) => ({ name, config, snippet: nginxSnippet({ name, config }, kind) }));
  const servers = snippets.flatMap(({ name, config, snippet: { location, server } }) => {
    const php = `include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME ${docroot}$fastcgi_script_name;`;
    const text = `${server.join('\n')}\nlocation / {\n${config.protocol === 'fastcgi' ? php : ''}\n${location.join('\n')}\n}`;
    const impatient = text.replaceAll(/_read_timeout \d+s;/g, '_read_timeout 1s;');
    return [`server { listen 80; server_name ${name}.test; root ${docroot};\n${text}\n}`, `server { listen 80; server_name impatient.${name}.test;\n${impatient}\n}`];
  });
  return [...new Set(snippets.map(({ snippet }) => snippet.http.join('\n'))), ...snippets.flatMap(({ snippet }) => snippet.upstream), ...servers].join('\n');
}

export interface Backend {
  readonly address: string;
  listen(): Promise<void>;
  /** As if it had crashed: nobody listens, connections are reset. */
  die(): Promise<void>;
}

/** Says what came to it, as JSON. `/slow`: after 6 s; `/evil`: what a terminal would obey; an upgrade: an echo. */
async function startBackend(t: TestScope, seen: string[], identity?: { readonly key: string; readonly cert: string }): Promise<Backend> {
  const answer: RequestListener = (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.resume();
    const end = (): void => void response.writeHead(200, { 'Content-Type': 'text/plain' }).end(request.url === '/evil' ? 'one\u001b]0;owned\u0007\u009b2Jtwo' : JSON.stringify(request.headers));
    if (request.url?.startsWith('/slow')) setTimeout(end, 6000).unref();
    else end();
  };
  const server: Server = identity ? createTlsServer(identity, answer) : createServer(answer);
  server.on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.on('error', () => undefined).pipe(socket);
  });
  const port = await freePort();
  const listen = (): Promise<void> => new Promise((resolve) => void server.listen(port, '127.0.0.1', resolve));
  const die = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await listen();
  t.teardown(() => (server.listening ? die() : undefined));
  return { address: `127.0.0.1:${port}`, listen, die };
}

/** A request of a visitor whose address is 127.0.0.2. */
export function visit(nginx: Nginx, host: string, target: string, method = 'GET'): Promise<{ readonly status: number | undefined; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { port: nginx.port, host: '127.0.0.1', localAddress: '127.0.0.2', path: target, method, agent: false, headers: { host } },
      (response) => void textOf(response).then((text) => resolve({ status: response.statusCode, text })),
    );
    asking.on('error', reject).end(method === 'POST' ? 'x' : undefined);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return text;
}

/** Offers an upgrade; what the other side echoes, or the status of the answer without one. */
export function upgrade(nginx: Nginx, host: string, protocol: string): Promise<string | number | undefined> {
  return new Promise((resolve, reject) => {
    const asking = request({ port: nginx.port, host: '127.0.0.1', path: '/chat', agent: false, headers: { host, connection: 'Upgrade', upgrade: protocol } });
    asking.on('upgrade', (_, socket) => {
      socket.on('error', reject).once('data', (data: Buffer) => {
        resolve(data.toString());
        socket.destroy();
      });
      socket.write('hello?');
    });
    asking.on('response', (response) => void textOf(response).then(() => resolve(response.statusCode), reject));
    asking.on('error', reject).end();
  });
}
