/** What the proxy's memory does: idle, with many clients, with many that are held, and while a large upload waits. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { startGoodgateway } from '../../test/support/goodgateway.ts';
import { accepts, freePort } from '../../test/support/ports.ts';
import { endAll, family } from '../../test/support/processes.ts';
import { start } from '../../test/support/program.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { until } from '../../test/support/until.ts';
import { residentMiB, table } from '../numbers.ts';
import { smallNurseries } from '../../src/supervisor/entry-points.ts';
import type { Scope } from '../scope.ts';

const idleClients = 10_000;
const heldRequests = 1000;
const uploadBytes = 1024 ** 3;
const uploadChunk = Buffer.alloc(64 * 1024, 0x78);

interface Scene {
  readonly proxy: number;
  readonly listen: number;
  readonly upstream: number;
  held(): Promise<number>;
  stop(): Promise<void>;
}

export async function memory(scope: Scope): Promise<string> {
  const rows = await idleProcesses(scope);
  const uploading = await startProxy(scope);
  rows.push(...(await uploadWhileHeld(uploading)));
  await uploading.stop();
  rows.push(...(await manyClients(scope, await startProxy(scope))));
  return ['Resident memory (`VmRSS`):', '', table(['', 'MiB'], rows)].join('\n');
}

async function idleProcesses(scope: Scope): Promise<(readonly string[])[]> {
  const gateway = await startGoodgateway(scope, {
    gateways: (folder) => ({ app: { listen: `unix:${folder}/app.sock`, protocol: 'http', upstream: `unix:${folder}/none.sock`, service: 'app' } }),
    built: true,
    policies: [{ version: 1, name: 'app', mode: 'observe', service: { type: 'external' }, rules: [] }],
  });
  const rows = (['proxy', 'healer', 'supervisor'] as const).map((name) => [`${name}, idle`, mib(residentMiB(gateway.pid(name)!))]);
  await gateway.stop();
  return rows;
}

/** The proxy without a healer: nobody but its own prober opens the gate, so that what is held stays held. */
async function startProxy(scope: Scope): Promise<Scene> {
  const [listen, upstream, admin] = [await freePort(), await freePort(), await freePort()];
  const folder = tempFolder(scope);
  const config = join(folder, 'goodgateway.yaml');
  const gateway = { listen: `127.0.0.1:${listen}`, protocol: 'http', upstream: `127.0.0.1:${upstream}`, service: 'app', hold: { for: '5m', fetch_for: '5m', requests: heldRequests + 10 } };
  writeFileSync(config, stringify({ version: 1, gateways: { app: gateway }, admin: `127.0.0.1:${admin}`, runtime: folder, state: folder, audit: { folder } }));
  const running = start([process.execPath, smallNurseries, '--disable-warning=ExperimentalWarning', join(import.meta.dirname, '../../dist/proxy/main.js'), '--config', config]);
  const stop = (): Promise<void> => endAll(() => family(running.pid), 'SIGTERM');
  scope.teardown(stop);
  await until(() => accepts({ host: '127.0.0.1', port: admin }), { timeoutMs: 10_000, what: () => `the proxy: ${running.output()}` });
  const held = async (): Promise<number> => {
    const state = (await (await fetch(`http://127.0.0.1:${admin}/state`)).json()) as { gateways: Record<string, { held: number }> };
    return state.gateways['app']!.held;
  };
  return { proxy: running.pid, listen, upstream, held, stop };
}

/** Held until half of the client's side is stuck, released to a backend that reads it all, and measured all the while. */
async function uploadWhileHeld({ proxy, held, listen, upstream }: Scene): Promise<readonly (readonly string[])[]> {
  const before = residentMiB(proxy);
  let most = before;
  const sample = setInterval(() => (most = Math.max(most, residentMiB(proxy))), 20);
  const client = connect(listen, '127.0.0.1');
  client.write(`POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${uploadBytes}\r\n\r\n`);
  const answered = once(client, 'data');
  const sent = upload(client);
  await until(async () => (await held()) === 1, { timeoutMs: 10_000, what: 'a held upload' });
  await until(() => client.writableNeedDrain, { timeoutMs: 10_000, what: 'a client that has to wait' });
  const whileHeld = residentMiB(proxy);
  let received = 0;
  const server = createServer(async (request: IncomingMessage, response) => {
    for await (const piece of request) received += (piece as Buffer).length;
    response.end('ok');
  });
  server.listen(upstream, '127.0.0.1');
  await answered;
  await sent;
  clearInterval(sample);
  client.destroy();
  server.closeAllConnections();
  server.close();
  if (received !== uploadBytes) throw new Error(`${received} of ${uploadBytes} bytes arrived`);
  return [
    ['proxy, before a 1 GiB upload', mib(before)],
    ['… while it is held', mib(whileHeld)],
    ['… the most until its last byte was passed on', mib(most)],
  ];
}

async function upload(client: Socket): Promise<void> {
  for (let left = uploadBytes; left > 0; left -= uploadChunk.length) {
    if (!client.write(left < uploadChunk.length ? uploadChunk.subarray(0, left) : uploadChunk)) await once(client, 'drain');
  }
}

async function manyClients(scope: Scope, { proxy, held, listen }: Scene): Promise<readonly (readonly string[])[]> {
  const before = residentMiB(proxy);
  const clients: Socket[] = [];
  scope.teardown(() => clients.forEach((client) => client.destroy()));
  for (let left = idleClients; left > 0; left -= 200) clients.push(...(await Promise.all(Array.from({ length: Math.min(200, left) }, () => openClient(listen)))));
  const idle = residentMiB(proxy);
  const body = Buffer.alloc(256 * 1024, 0x78);
  for (const client of clients.slice(0, heldRequests)) {
    client.write(`POST /held HTTP/1.1\r\nHost: x\r\nX-Real-IP: 192.0.2.${clients.indexOf(client) % 250}\r\nContent-Length: ${body.length}\r\n\r\n`);
    client.write(body);
  }
  await until(async () => (await held()) === heldRequests, { timeoutMs: 30_000, what: `${heldRequests} held requests` });
  const whileHeld = residentMiB(proxy);
  return [
    [`proxy, before ${idleClients.toLocaleString('en')} idle clients`, mib(before)],
    ['… with them', `${mib(idle)} (${kib(idle - before, idleClients)} each)`],
    [`… with ${heldRequests.toLocaleString('en')} requests held besides, each with 256 KiB that nobody reads`, `${mib(whileHeld)} (${kib(whileHeld - idle, heldRequests)} each)`],
  ];
}

async function openClient(port: number): Promise<Socket> {
  const client = connect(port, '127.0.0.1');
  client.on('error', () => undefined);
  await once(client, 'connect');
  return client;
}

function mib(value: number): string {
  return value.toFixed(0);
}

function kib(mebibytes: number, count: number): string {
  return `${((mebibytes * 1024) / count).toFixed(1)} KiB`;
}
