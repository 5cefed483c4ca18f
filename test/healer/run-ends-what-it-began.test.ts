/** The action run: what it takes, what it puts in, and that nothing outlives its time. */
import { chmodSync, chownSync, existsSync, lchownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import * as registered from '../../src/healer/actions/registry.ts';
import type { ActionContext } from '../../src/healer/leaves.ts';
import { limitsOf, type ActionTable } from '../../src/healer/policy/gates.ts';
import { serviceTarget } from '../fixtures/services/target.ts';
import { contextOf } from '../support/action-context.ts';
import { processes, processInfo, signal } from '../support/processes.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const external = serviceTarget({ type: 'external' }, { stateFolder: '/nowhere' });
const load = (options: object) => registered.run.options.safeParse(options).error?.issues[0]?.message;
const loadProgram = (program: string) => load({ command: [program] });
/** Options as the loader of policies makes them, but for the check of words: a test's shell line is no policy. */
const run = (command: readonly string[], more: Partial<ActionContext> = {}, options: object = {}) =>
  registered.run.perform(contextOf(external, more), { ...registered.run.options.parse({ command: ['/bin/true'], ...options }), command });

t.test('R25 no shell: a program of the policy is run as it stands there, and its end is told', async (t) => {
  t.match(await run(['/bin/echo', '$HOME', '*', '; id']), { result: 'done', exitCode: 0, outputTail: '$HOME * ; id', detail: '/bin/echo (in a session of its own)' });
  t.match(await run(['/bin/sh', '-c', 'echo no space >&2; exit 2']), { result: 'failed', exitCode: 2, detail: '/bin/sh failed with exit status 2: no space (in a session of its own)' });
  t.match(await run(['/bin/pwd'], {}, { folder: '/usr' }), { outputTail: '/usr' });
  t.match(await run(['/bin/pwd'], {}, { folder: '/nowhere' }), { result: 'failed', detail: /the folder \/nowhere does not exist/ });
});

t.test('R25 no shell: a shell line is refused, whatever it hides behind', async (t) => {
  const refused = [
    ['/bin/sh', '-c', 'rm -rf /tmp/x'],
    ['/bin/bash', '-ec', 'true'],
    ['/bin/bash', '--norc', '-o', 'pipefail', '-c', 'true'],
    ['/bin/bash', '-eo', 'pipefail', '-c', 'true'],
    ['/usr/bin/env', 'A=1', 'sh', '-c', 'true'],
    ['/usr/bin/env', '-u', 'A', '-S', 'sh -c true'],
    ['/usr/bin/timeout', '5', '/bin/dash', '-c', 'true'],
  ];
  for (const command of refused) t.match(load({ command }), /is a shell line in disguise; write the line into a script file/, command.join(' '));
  const link = join(tempFolder(t), 'repair');
  symlinkSync('/bin/sh', link);
  t.match(load({ command: [link, '-c', 'true'] }), /is a shell line in disguise/, 'a link to a shell');
  for (const command of [
    ['/bin/sh', '/bin/true'],
    ['/bin/true', '-c', 'sh'],
    ['/usr/bin/env', '-i', '/bin/true'],
  ])
    t.equal(load({ command }), undefined, command.join(' '));
});

t.test('R25 no request data: an argument is put in as a whole, from a fixed set', async (t) => {
  const context = { suspect: { ...contextOf(external).suspect, cause: 'service.hung' as const } };
  t.match(await run(['/bin/echo', '{service}', '{incident}', '{cause}', '{}', '{"a": 1}'], context), { outputTail: 'shop 01JDNV00000000000000INC1DN service.hung {} {"a": 1}' });
  t.match(await run(['/bin/echo', '{unit}']), { result: 'failed', detail: '{unit} stands for nothing here: shop is of type external' });
  t.match(load({ command: ['/bin/echo', '--name={service}'] }), /\{service\} must be an argument of its own/);
  t.match(load({ command: ['/bin/echo', '{url}'] }), /\{url\} stands for nothing: there are \{service\}, \{unit\}, \{incident\}, \{cause\}/);
  t.match(load({ command: ['/usr/bin/{service}'] }), /cannot be in the program/);
});

t.test('what it may disturb, and what it costs, is said by its options', async (t) => {
  const table: ActionTable = new Map([['run', registered.run]]);
  const limits = (options: object) => limitsOf(table, { action: 'run', options: registered.run.options.parse({ command: ['/bin/true'], ...options }) });
  t.match(limits({}), { reach: 'service', budget: 'disruptive', counts: true, needs: 'likely' });
  t.match(limits({ reach: 'host' }), { reach: 'host', budget: 'disruptive' });
  t.match(limits({ reach: 'worker', disruptive: false }), { reach: 'worker', budget: 'none', counts: true });
  t.match(limitsOf(table, 'run'), { reach: 'service', budget: 'disruptive' });
});

t.test('a program can run as another user, who must exist', { skip: isRoot ? false : 'needs root' }, async (t) => {
  t.match(await run(['/usr/bin/id'], {}, { user: 'nobody' }), { outputTail: /^uid=65534\(nobody\)/ });
  t.match(load({ command: ['/bin/true'], user: 'no-such-user' }), /there is no user no-such-user/);
});

/** Forks twice into sessions of their own and ignores TERM; what is left writes its pid into `file`. */
function outliver(t: Test, { clean = '', end = 'sleep 1003' } = {}): { readonly command: readonly string[]; pid(): number } {
  const folder = tempFolder(t);
  const file = join(folder, 'pid');
  const inner = join(folder, 'inner.sh');
  writeFileSync(inner, `#!/bin/sh\ntrap '' TERM HUP INT\necho $$ > ${file}.new; mv ${file}.new ${file}\nwhile :; do sleep 0.1; done\n`, { mode: 0o755 });
  t.teardown(() => existsSync(file) && signal(Number(readFileSync(file, 'utf8')), 'SIGKILL'));
  return { command: ['/bin/sh', '-c', `(setsid ${clean} setsid ${inner} &); ${end}`], pid: () => Number(readFileSync(file, 'utf8')) };
}

t.test('R23 kill the tree: without systemd, what left the session and ignores TERM is gone after the time, too', async (t) => {
  const { command, pid } = outliver(t);
  const abort = new AbortController();
  const running = run(command, { signal: abort.signal });
  const left = await until(() => processInfo(pid()), { timeoutMs: 15_000, what: 'the one that left' });
  t.not(left.parent, process.pid);
  abort.abort();
  t.match(await running, {
    result: 'unknown',
    detail: /still running when its time was over; ended with everything that could be found of it; without systemd .* cleared its environment is not found/,
  });
  t.equal(processInfo(left.pid), undefined);
  t.same(
    processes(({ command: text }) => text === 'sleep 1003'),
    [],
  );
});

t.test('R23 kill the tree: what cannot be known without systemd is said, and what a program leaves behind is named', async (t) => {
  const hidden = outliver(t, { clean: 'env -i' });
  const abort = new AbortController();
  const running = run(hidden.command, { signal: abort.signal });
  const left = await until(() => processInfo(hidden.pid()), { timeoutMs: 15_000, what: 'the one that left' });
  abort.abort();
  t.match(await running, { result: 'unknown', detail: /without systemd a process that left the session and cleared its environment is not found$/ });
  t.ok(processInfo(left.pid), 'that is what the words are about');

  const daemon = outliver(t, { end: 'true' });
  t.match(await run(daemon.command), { result: 'done', detail: /\(in a session of its own\); it left running: \d+ \(\w+/ });
  await until(() => processInfo(daemon.pid()), { timeoutMs: 15_000, what: 'its pid, by which it is ended' });
});

t.test('R25 no shell: a program that somebody else could change is refused at load and at the run', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'fix');
  writeFileSync(path, '#!/bin/sh\n', { mode: 0o755 });
  t.equal(loadProgram('/bin/true'), undefined);
  t.match(loadProgram('/nowhere/program'), /does not exist/);
  t.match(loadProgram('true'), /absolute path/);
  t.match(loadProgram(path), /can be written by others/, 'a folder above it is open to all');
  const link = join(folder, 'link');
  symlinkSync('/bin/true', link);
  t.match(loadProgram(link), /can be written by others/, 'a good program, but by a link that others could lead elsewhere');
  t.match(await run([link]), { result: 'failed', detail: /can be written by others/ });
  t.equal(loadProgram('/usr/../bin/./true'), undefined);
  t.match(loadProgram('/bin/true/more'), /does not exist/);
  t.match(await run([path]), { result: 'failed', detail: /can be written by others/ });
});

t.test("the program, its folders and each link on the way to it must be root's", { skip: isRoot ? false : 'needs root' }, async (t) => {
  // /tmp is anybody's: a folder above which all is root's
  const folder = mkdtempSync('/run/gg-');
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [path, theirs, link] = [join(folder, 'fix'), join(folder, 'theirs'), join(folder, 'link')];
  writeFileSync(path, '#!/bin/sh\n', { mode: 0o755 });
  t.equal(loadProgram(path), undefined);
  chmodSync(path, 0o777);
  t.match(loadProgram(path), new RegExp(`^${path} can be written by others`));
  chmodSync(path, 0o755);
  chownSync(path, 65534, 65534);
  t.match(loadProgram(path), /fix belongs to another user \(uid 65534\)/);

  mkdirSync(theirs);
  symlinkSync('/bin/true', join(theirs, 'true'));
  symlinkSync('theirs/true', link);
  t.equal(loadProgram(link), undefined);
  lchownSync(join(theirs, 'true'), 65534, 65534);
  t.match(loadProgram(link), /theirs\/true belongs to another user/, 'a link in the middle of the chain');
  lchownSync(join(theirs, 'true'), 0, 0);
  chownSync(theirs, 65534, 65534);
  t.match(loadProgram(link), /theirs belongs to another user/, 'a folder in the middle of the chain');
  symlinkSync('loop', join(folder, 'loop'));
  t.match(loadProgram(join(folder, 'loop')), /more than 40 symbolic links/);
});
