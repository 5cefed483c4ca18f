/** The live view in a real terminal, over a real goodgateway whose service is killed. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { startGoodgateway } from '../support/goodgateway.ts';
import { freePort } from '../support/ports.ts';
import { processInfo, signal } from '../support/processes.ts';
import { start, succeed } from '../support/program.ts';
import { startInTerminal, type PseudoTerminal } from '../support/pseudo-terminal.ts';
import { missing } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const shopProgram = join(import.meta.dirname, '../../src/demo/shop.ts');
const node = [process.execPath, '--disable-warning=ExperimentalWarning'] as const;
const skip = missing('script');

/** The shop, started by a script that waits until it is allowed to, but for the first time. */
async function slowShop(t: TestScope) {
  const folder = tempFolder(t);
  const port = await freePort();
  const [pidfile, script] = [join(folder, 'pid'), join(folder, 'start')];
  const shop = [...node, shopProgram, '--port', String(port), '--other-port', String(await freePort())].join(' ');
  writeFileSync(script, `#!/bin/sh\nunset NODE_OPTIONS\nwhile [ -e ${folder}/wait ]; do sleep 0.1; done\ntouch ${folder}/wait\nsetsid ${shop} </dev/null >/dev/null 2>&1 &\necho $! > ${pidfile}\n`, {
    mode: 0o755,
  });
  await succeed([script]);
  const pid = (): number => Number(readFileSync(pidfile, 'utf8'));
  const kill = async (): Promise<void> => {
    const was = pid();
    signal(was, 'SIGKILL');
    await until(() => processInfo(was) === undefined, { timeoutMs: 15_000, what: 'the end of the shop' });
  };
  t.teardown(kill);
  return { port, pidfile, script, kill, mayStart: () => rmSync(join(folder, 'wait')) };
}

async function site(t: TestScope) {
  const shop = await slowShop(t);
  const warm = await freePort();
  const policy = {
    version: 1,
    name: 'shop',
    mode: 'act',
    service: { type: 'process', pidfile: shop.pidfile, start: [shop.script] },
    watch: { every: '200ms' },
    rules: [{ name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start', timeout: '60s' }] }],
    limits: { cooldown: '0s' },
    // nothing listens there before the test says so: until then it is verified
    verify: { within: '60s', stable_for: '500ms', checks: [{ service: 'running' }, { connect: 'ok' }, { listening: `127.0.0.1:${warm}` }] },
  };
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ shop: { listen: `unix:${folder}/shop.sock`, protocol: 'http', upstream: `127.0.0.1:${shop.port}`, service: 'shop', hold: { for: '60s' } } }),
    policies: [policy],
    host: { safety: { humans_first: '0s', pause_when: [] } },
  });
  const isWarm = async (): Promise<void> => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(warm, '127.0.0.1', resolve));
    t.teardown(() => new Promise((resolve) => server.close(resolve)));
  };
  return { shop, gateway, isWarm };
}

const get = (socketPath: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request({ socketPath, path: '/' }, (response) => response.resume().once('end', () => resolve(response.statusCode)))
      .once('error', reject)
      .end();
  });

/** All of them at once: a frame may come in pieces, and what it shows becomes known one after the other. */
const shows = (terminal: PseudoTerminal, what: readonly RegExp[], name: string): Promise<unknown> =>
  until(
    () => {
      const screen = terminal.screen().join('\n');
      return terminal.isOtherScreen() && what.every((one) => one.test(screen));
    },
    { timeoutMs: 30_000, what: () => `${name} on the screen:\n${terminal.screen().join('\n')}`, everyMs: 50 },
  );

t.test('the screen shows the incident, its step and who waits, and after it that all is well', { skip }, async (t) => {
  const { shop, gateway, isWarm } = await site(t);
  const status = [...node, main, 'status', '--watch', '--config', gateway.config];
  const piped = start(status);
  const objects = start([...status, '--json']);
  t.teardown(() => [piped, objects].forEach(({ pid }) => signal(pid, 'SIGTERM')));
  const terminal = startInTerminal(t, status, { columns: 80, rows: 24 });
  const tells = (what: RegExp): Promise<unknown> => until(() => what.test(piped.output()), { timeoutMs: 30_000, what: () => `${what} in the pipe:\n${piped.output()}` });

  t.equal(await get(`${gateway.folder}/shop.sock`), 200);
  const well = [
    /^ {2}shop +running +answered +0 +0 +0?\.?\d+ +0 +3\/3$/m,
    /^goodgateway: healing is on, audit log: ok +\d\d:\d\d:\d\d$/m,
    /^left on this host within \S+ \S+: \d+ of \d+ disruptive actions, \d+ of \d+ starts$/m,
  ];
  await shows(terminal, well, 'a service that is well');

  await shop.kill();
  const answer = get(`${gateway.folder}/shop.sock`);
  const acting = [/^! shop +failed +wait +0 +1 /m, /^ {4}[0-9A-Z]{6} for \d+ s: .*shop/m, /^ {4}acting: start by the rule "Crashed, so start it", since \d+ s, at most until$\n {4}\d\d:\d\d:\d\d$/m];
  await shows(terminal, acting, 'the act, and that somebody waits');
  t.match(await gateway.command('status'), { code: 1, output: /^ {2}now: acting: start by the rule/m }, 'and so does the command without --watch');
  await tells(/^\S+ \S+ shop: failed \(act\); incident [0-9A-Z]{6}: .*; acting: start by the rule "Crashed, so start it"; shop: visitors wait; 0 in flight, /m);
  shop.mayStart();
  await shows(terminal, [/verifying that it is well, and stays so, since \d+ s/], 'the verification');
  await isWarm();
  t.equal(await answer, 200, 'who waited was served');
  await shows(terminal, [/^ {2}shop +running +answered +0 +0 +\S+ +\d+ +2\/3$/m], 'that all is well');

  await terminal.resize({ columns: 40, rows: 10 });
  const isSmall = (screen: readonly string[]): boolean => screen.length <= 10 && screen.every((line) => line.length <= 40) && /^ {2}shop +running +answered/m.test(screen.join('\n'));
  await until(() => isSmall(terminal.screen()), { timeoutMs: 15_000, what: () => `the small screen:\n${terminal.screen().join('\n')}` });

  await until(() => objects.output().split('\n').length > 3, { timeoutMs: 15_000, what: 'three objects' });
  const lines = objects.output().trim().split('\n').slice(0, -1);
  t.ok(
    lines.every((line) => 'services' in (JSON.parse(line) as object)),
    'one object a line',
  );
  await tells(/^\S+ \S+ shop: running \(act\); no open incident; shop: visitors are answered; .*\n$/m);
  t.notOk(piped.output().includes('\u001b'), 'no escape in a pipe');

  // politely: `stop` would end whoever has this configuration in its words
  await gateway.kill('supervisor', 'SIGTERM');
  await shows(terminal, [/^the healer does not run/m], 'that the healer is away');
  terminal.type('q');
  const { before, after, code } = await terminal.ended;
  t.equal(code, 0);
  t.ok(before !== '' && before === after, 'keys are read as before');
  t.notOk(terminal.isOtherScreen());
  t.ok(terminal.written().includes('␛[?25h␛[?1049l'), 'the cursor is back');
});

t.test('however it is ended, the terminal is given back', { skip }, async (t) => {
  const folder = tempFolder(t);
  const config = join(folder, 'goodgateway.yaml');
  writeFileSync(
    config,
    `version: 1\nruntime: ${folder}\naudit: { folder: ${folder}/audit }\ngateways:\n  shop: { listen: unix:${folder}/shop.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop }\n`,
  );
  const ends: readonly (readonly [name: string, code: number, end: (terminal: PseudoTerminal) => void])[] = [
    ['Ctrl-C', 0, (terminal) => terminal.type('\u0003')],
    ['SIGTERM', 143, (terminal) => signal(terminal.pid() ?? 0, 'SIGTERM')],
    ['SIGHUP', 129, (terminal) => signal(terminal.pid() ?? 0, 'SIGHUP')],
    ['SIGINT', 130, (terminal) => signal(terminal.pid() ?? 0, 'SIGINT')],
  ];
  await Promise.all(
    ends.map(async ([name, expected, end]) => {
      const terminal = startInTerminal(t, [...node, main, 'status', '--watch', '--config', config], { columns: 80, rows: 24 }, { NO_COLOR: '1' });
      await shows(terminal, [/^the healer does not run \(nobody listens on/m], 'that the healer is away');
      end(terminal);
      const { before, after, code } = await terminal.ended;
      t.equal(code, expected, name);
      t.equal(after, before, name);
      t.notOk(terminal.isOtherScreen(), name);
      t.notMatch(terminal.written(), /␛\[[0-9;]*m/, 'NO_COLOR is obeyed');
    }),
  );
});
