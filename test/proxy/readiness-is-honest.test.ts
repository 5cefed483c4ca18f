import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { observedProxy } from '../fixtures/proxy/observed-proxy.ts';
import { until } from '../support/until.ts';

t.test('it is ready without a healer, and says that nothing is repaired', async (t) => {
  const { admin } = await observedProxy(t);
  t.match(await admin('/livez'), { status: 200, body: 'ok\n' });
  t.match(await admin('/readyz'), { status: 200, body: 'ok, but the healer is away: visitors are served, nothing is repaired\n' });
});

t.test('it is not ready while a socket cannot be made again, and is when it can', async (t) => {
  const { admin, folder } = await observedProxy(t);
  const socket = join(folder, 'app.sock');
  rmSync(socket);
  writeFileSync(socket, 'in the way');
  const deaf = await until(async () => admin('/readyz').then((answer) => (answer.status === 503 ? answer : undefined)), { timeoutMs: 10_000, what: 'the loss to be seen' });
  t.match(deaf.body, /^unix:.*app\.sock: its file was lost and could not be made again: .*a file that is no socket is in the way/);
  rmSync(socket);
  await until(async () => (await admin('/readyz')).status === 200, { timeoutMs: 10_000, what: 'the socket to be back' });
});

t.test('while answers under way are finished it lives, and is not ready', async (t) => {
  const { admin, ask, proxy, startBackend } = await observedProxy(t);
  let finish = (): void => undefined;
  await startBackend((_request, response) => {
    finish = () => void response.end('at last');
  });
  const slow = ask();
  await until(() => proxy.gateways.get('app')?.gate.inFlight === 1, { timeoutMs: 15_000, what: 'a request in the backend' });
  const closed = proxy.close(AbortSignal.timeout(10_000));
  t.match(await admin('/readyz'), { status: 503, body: 'the proxy is stopping\n' });
  t.match(await admin('/livez'), { status: 200 });
  finish();
  t.match(await slow, { status: 200, body: 'at last', headers: { connection: 'close' } });
  await closed;
  await t.rejects(admin('/livez'), { code: 'ECONNREFUSED' });
});
