/** A limit is reached: of clients, workers, a queue, descriptors, ports. */
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { pidfileService } from '../../e2e/site.ts';
import { startLoad, type Load } from '../../support/load.ts';
import { fastcgiLocation, startNginx } from '../../support/nginx.ts';
import { signal } from '../../support/processes.ts';
import { succeed } from '../../support/program.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import { startByHand } from '../by-hand.ts';
import type { Scene, Scenes } from '../fault.ts';
import { apacheStack } from '../stacks/apache.ts';
import { innerNginxStack } from '../stacks/nginx.ts';
import { nodeStack } from '../stacks/node.ts';
import { phpStack } from '../stacks/php.ts';

export const limits: Scenes = {
  async 'per-ip-limit'(t) {
    const { at, folder, write, reload } = await innerNginxStack(t);
    // takes about a second, so that several visitors are there at once
    writeFileSync(join(folder, 'page'), 'x'.repeat(20_000));
    const page = `location = /page { root ${folder}; limit_rate 10k; }`;
    const set = async (http: string, server: string): Promise<void> => {
      write({ http, server: `${page} ${server}` });
      await reload();
    };
    await set('', '');
    return { at, visits: { path: '/page' }, inject: () => set('limit_conn_zone $binary_remote_addr zone=each:1m;', 'limit_conn each 1;'), takeAway: () => set('', '') };
  },
  async 'apache-workers'(t) {
    const { at } = await apacheStack(t);
    return { at, ...burst(t, { port: at.port, rate: 40, path: () => '/late.php?ms=1500', timeoutMs: 10_000 }) };
  },
  async 'backlog-full'(t) {
    const { at, fpm } = await phpStack(t, { failOpen: false, fpm: { maxChildren: 2, pool: ['listen.backlog = 5'] } });
    const other = await startNginx(t, { server: fastcgiLocation(fpm.address, fpm.docroot) });
    return { at, ...burst(t, { port: other.port, rate: 25, path: () => '/late.php?ms=1000', timeoutMs: 10_000 }) };
  },
  async descriptors(t) {
    const { at, behave, pid, processes, startScript } = await nodeStack(t, { before: ['ulimit -n 64'], gateway: { keepalive: 'none' } });
    const takeAway = async (): Promise<void> => {
      behave('well');
      signal(pid(), 'SIGKILL');
      await startByHand({ processes, start: () => succeed([startScript]) });
    };
    return { at, inject: () => behave('leaks-files'), takeAway };
  },
  'ports-exhausted': portsExhausted,
};

function burst(t: TestScope, options: Parameters<typeof startLoad>[1]): { inject(): void; takeAway(): Promise<unknown> } {
  let load: Load | undefined;
  return { inject: () => void (load = startLoad(t, options)), takeAway: async () => load?.stop() };
}

/** An address of its own, so that the ports are free for everybody who speaks to another one. */
const host = '10.77.0.1';
const few = '40000 42047';

async function portsExhausted(t: TestScope): Promise<Scene> {
  await succeed(['/usr/sbin/ip', 'address', 'replace', `${host}/32`, 'dev', 'lo']);
  const { at, fpm } = await phpStack(t, { failOpen: false, fpm: { listen: 'tcp', host }, gateway: { keepalive: 'none' }, service: pidfileService });
  const port = Number(fpm.address.split(':')[1]);
  const widely = setting('net/ipv4/ip_local_port_range', '32768\t60999');
  const reuse = setting('net/ipv4/tcp_tw_reuse', '2');
  t.teardown(() => [widely(), reuse()]);
  const inject = async (): Promise<void> => {
    setting('net/ipv4/ip_local_port_range', few)();
    // of loopback's the kernel would use them again after a second
    setting('net/ipv4/tcp_tw_reuse', '0')();
    await Promise.all(Array.from({ length: 32 }, () => useUp(port)));
  };
  return { at, inject, takeAway: widely };
}

function setting(name: string, value: string): () => void {
  return () => writeFileSync(join('/proc/sys', name), value);
}

/** One connection after the other, each of which keeps its port for a minute after its end. */
async function useUp(port: number): Promise<void> {
  while (await connectOnce(port));
}

function connectOnce(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    let isThere = true;
    const socket = connect({ host, port }, () => socket.end());
    socket.setTimeout(5000, () => socket.destroy());
    socket.resume().on('error', ({ code }: NodeJS.ErrnoException) => (isThere = code !== 'EADDRNOTAVAIL'));
    socket.once('close', () => resolve(isThere));
  });
}
