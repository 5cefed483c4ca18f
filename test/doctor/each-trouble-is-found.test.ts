/** Each finding is planted in a clean host and found, alone; the clean host has none. */
import { chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import { allChecks, writeStack } from './stack.ts';
import { planted } from './planted.ts';

const stack = await writeStack(t);
t.afterEach(() => stack.restore());

t.test('a clean host has no finding, and all of it was seen', async (t) => {
  const { findings, unseen } = await stack.examine();
  t.same(findings, []);
  t.same(unseen, [{ subject: 'slowest pages, largest headers', why: 'not measured: nothing on this host counts them' }]);
});

for (const { finds, trouble, plant, scene, says } of planted) {
  t.test(`${finds}: ${trouble}`, async (t) => {
    plant?.(stack);
    const { findings } = await stack.examine(scene);
    t.same([...new Set(findings.map(({ id }) => id))], [finds]);
    t.match(findings.map(({ what, why, change, source }) => [what, why, change, source].join(' ')).join('\n'), says);
  });
}

t.test('own-socket-open: everybody may speak to the healer', async (t) => {
  const path = `${stack.folder}/run/goodgateway/control.sock`;
  const server = createServer().listen(path);
  t.teardown(() => server.close());
  await once(server, 'listening');
  chmodSync(path, 0o666);
  t.match(await stack.examine(), { findings: [{ id: 'own-socket-open', change: /chmod 0660/ }] });
});

t.test('every finding of every check is planted here', async (t) => {
  const here = new Set([...planted.map(({ finds }) => finds), 'own-socket-open']);
  t.same(
    allChecks.flatMap((check) => Object.keys(check.finds)).filter((id) => !here.has(id)),
    [],
  );
});
