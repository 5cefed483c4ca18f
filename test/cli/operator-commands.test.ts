import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { whoAsks } from '../../src/cli/who.ts';
import { finish } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';

t.test('commands that are called wrongly end with 2, and without a healer with 1; each shows an example', async (t) => {
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  const folder = tempFolder(t);
  const config = join(folder, 'goodgateway.yaml');
  writeFileSync(config, `version: 1\nruntime: ${folder}\ngateways:\n  shop: { listen: unix:/run/x.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop }\n`);
  const run = (...words: readonly string[]) => finish([process.execPath, main, ...words], { timeoutMs: 60_000 });
  const table: readonly (readonly [words: readonly string[], code: number, says: RegExp])[] = [
    [['pause', 'shop', '--reason', 'deploy'], 2, /--for/],
    [['pause', 'shop', '--for', '25h', '--reason', 'deploy'], 2, /at most 24h, got "25h"\n$/],
    [['pause', 'shop', '--for', '30', '--reason', 'deploy'], 2, /^goodgateway: --for: expected a duration with its unit, [^"]*got "30"\n$/],
    [['off', '--reason', ' x '], 2, /^goodgateway: reason: expected a few words, at least 3 characters\n$/],
    [['approve', ''], 2, /^goodgateway: code: expected the code of a question, such as 7K3FQ2\n$/],
    [['do', 'shop', 'restrat', '--reason', 'now'], 2, /no action "restrat"; did you mean restart\?/],
    [['approve', 'ABCDEF'], 1, /the healer does not run/],
    [['pause', '--help'], 0, /Example:\n {2}goodgateway pause php-fpm --for 30m --reason "deploy 4711"/],
  ];
  await Promise.all(
    table.map(async ([words, code, says]) => {
      const ended = await run(...words, ...(words.includes('--help') ? [] : ['--config', config]));
      t.match(ended, { code, output: says }, words.join(' '));
    }),
  );
});

t.test('who may not see the control socket is told what to do', { skip: !isRoot && 'needs root: asks as another user' }, async (t) => {
  const folder = tempFolder(t);
  const runtime = join(folder, 'run');
  mkdirSync(runtime, { mode: 0o700 });
  const config = join(folder, 'goodgateway.yaml');
  writeFileSync(config, `version: 1\nruntime: ${runtime}\ngateways:\n  shop: { listen: unix:/run/x.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop }\n`);
  const asNobody = ['/usr/bin/setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, join(import.meta.dirname, '../../src/cli/main.ts')];
  const asked = await finish([...asNobody, 'on', '--config', config], { timeoutMs: 60_000 });
  t.match(asked, { code: 1, output: /the healer cannot be asked at .*control\.sock: this user may not; ask as root/ });
});

t.test('who asks is said as this process knows it: who called sudo first, then uid, terminal and peer', async (t) => {
  const root = { user: 'root', uid: 0, environment: {}, terminal: undefined };
  t.equal(whoAsks(root), 'root (uid 0)');
  t.equal(whoAsks({ ...root, terminal: 'pts/0', environment: { SUDO_USER: 'maria', SSH_CONNECTION: '192.0.2.7 50000 192.0.2.1 22' } }), 'maria as root (uid 0, pts/0, from 192.0.2.7)');
  t.equal(whoAsks({ ...root, environment: { SUDO_USER: 'root', SSH_CONNECTION: 'nonsense; rm -rf' } }), 'root (uid 0)');
  t.match(whoAsks({ ...root, user: `\u001b[2J\n${'x'.repeat(500)}` }), /^\?\[2J\?x{195}$/, 'nothing that a terminal obeys, and no more than the protocol takes');
  t.match(whoAsks(), /uid \d+/);
});
