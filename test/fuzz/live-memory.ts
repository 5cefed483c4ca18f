/**
 * What a running Node process really holds: the inspector, opened by SIGUSR1, is asked to collect and to count. The
 * resident size alone would show garbage that nobody has collected yet, and hide a small leak in it.
 */
import { once } from 'node:events';

/** Bytes on the heap and in buffers, after a full collection. `url`: as the process printed it. */
export async function liveBytes(url: string): Promise<number> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  try {
    // twice: what only a finaliser lets go of is collected the second time
    for (let round = 0; round < 2; round++) await ask(socket, { method: 'HeapProfiler.collectGarbage' });
    const expression = '{ const { heapUsed, external } = process.memoryUsage(); heapUsed + external }';
    const { result } = (await ask(socket, { method: 'Runtime.evaluate', params: { expression } })) as { readonly result: { readonly value: number } };
    return result.value;
  } finally {
    socket.close();
    await once(socket, 'close');
  }
}

async function ask(socket: WebSocket, message: object): Promise<unknown> {
  socket.send(JSON.stringify({ id: 1, ...message }));
  const [event] = (await once(socket, 'message')) as [{ readonly data: string }];
  const answer = JSON.parse(event.data) as { readonly result?: unknown; readonly error?: unknown };
  if (answer.result === undefined) throw new Error(`the inspector refused ${JSON.stringify(message)}: ${event.data}`);
  return answer.result;
}
