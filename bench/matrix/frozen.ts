/** A backend whose kernel takes no connection any more: what a full backlog, a frozen program and a firewall's DROP look like. */
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import type { Address } from '../../src/core/failure.ts';
import type { TestScope } from '../../test/support/temp-folder.ts';

/** Listens at the address in a thread that then freezes. */
export async function startFrozenAt(scope: TestScope, address: Address): Promise<{ end(): Promise<void> }> {
  const worker = new Worker(new URL('../../test/fixtures/backends/listens-and-freezes.ts', import.meta.url), { workerData: address });
  const end = async (): Promise<void> => void (await worker.terminate());
  scope.teardown(end);
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  return { end };
}

/** Connects until the kernel takes no more; the connections stay until the scope ends. */
export async function fillBacklog(scope: TestScope, address: Address): Promise<void> {
  for (let i = 0; i < 8; i++) {
    const socket = address.kind === 'unix' ? connect(address.path) : connect(address.port, address.host);
    scope.teardown(() => socket.destroy());
    if (!(await takes(socket))) return;
  }
  throw new Error('the backlog never became full');
}

function takes(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    // no sign at all is the sign: the SYN was dropped
    const late = setTimeout(() => resolve(false), 300);
    const settle = (taken: boolean): void => {
      clearTimeout(late);
      resolve(taken);
    };
    socket.once('connect', () => settle(true)).on('error', () => settle(false));
  });
}
