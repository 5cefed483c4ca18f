import { chmodSync, chownSync, existsSync, linkSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isAlive, readStat } from '../../src/healer/proc.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { startProcess, type ProcessExit } from '../../src/supervisor/start-process.ts';
import { succeed } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const shell = (script: string): string[] => ['/bin/sh', '-c', script];
const lives = (pid: number): boolean => isAlive(readStat(pid));

t.test('a command gets a clean environment and what it was given, nothing else', async (t) => {
  // in a process of its own: the test runner puts variables into whatever a test process starts
  const module = JSON.stringify(new URL('../../src/healer/run-command.ts', import.meta.url).href);
  const script = `const { runCommand } = await import(${module});
    console.log((await runCommand.run(['/usr/bin/env'], { timeoutMs: 5000, environment: { COLOUR: 'blue' } })).output)`;
  const output = await succeed([process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script], { environment: { GOODGATEWAY_SECRET: 'not for programs' } });
  t.same(output.trim().split('\n').sort(), ['COLOUR=blue', 'LANG=C.UTF-8', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']);
});

t.test('a command has no input, leads its own session and starts in the given folder', async (t) => {
  const { output } = await runCommand.run(shell('cat; pwd; echo "$$ $(cut -d" " -f6 /proc/$$/stat)"'), { timeoutMs: 5000, folder: '/usr' });
  const [folder, ids = ''] = output.split('\n');
  t.equal(folder, '/usr');
  const [pid, session] = ids.split(' ');
  t.equal(pid, session);
});

t.test('arguments are handed over as they are: there is no shell', async (t) => {
  const { output } = await runCommand.run(['/bin/echo', '$HOME', '*', '; id', '"'], { timeoutMs: 5000 });
  t.equal(output, '$HOME * ; id "');
});

t.test('both streams come back as one, with the exit status', async (t) => {
  const done = await runCommand.run(shell('echo out; echo err >&2; exit 3'), { timeoutMs: 5000 });
  t.match(done, { exitCode: 3, signal: undefined, timedOut: false, startError: undefined });
  t.same(done.output.split('\n').sort(), ['err', 'out']);
});

t.test('of a flood of output the last 4 KiB are kept', async (t) => {
  const { output, exitCode } = await runCommand.run(shell('yes 0123456789 | head -c 30000000; printf "the end"'), { timeoutMs: 20_000 });
  t.equal(exitCode, 0);
  t.equal(Buffer.byteLength(output), 4096);
  t.ok(output.endsWith('the end'));
});

t.test('at the deadline the whole tree ends: children, those that ignore TERM, those that left the session', async (t) => {
  t.match(await runCommand.run(['/bin/sleep', '1000'], { timeoutMs: 100 }), { timedOut: true, signal: 'SIGTERM' });
  const began = join(tempFolder(t), 'began');
  const tree = `sleep 1000 & echo $!; setsid sleep 1000 & echo $!; sh -c 'trap "" TERM; echo $$; : > ${began}; while :; do sleep 1000; done' & wait`;
  // a deadline that ends nobody before all are there
  const over = new AbortController();
  const running = runCommand.run(shell(tree), { timeoutMs: 60_000, signal: over.signal });
  await until(() => existsSync(began), { timeoutMs: 15_000, what: 'the tree to be there' });
  over.abort();
  const done = await running;
  t.equal(done.timedOut, true);
  const pids = done.output.split('\n').map(Number);
  t.equal(pids.length, 3);
  t.same(pids.filter(lives), []);
});

t.test('an abort ends a command at once, and one that has not begun does not begin', async (t) => {
  const abort = new AbortController();
  const folder = tempFolder(t);
  const running = runCommand.run(shell(`touch ${folder}/began; exec sleep 1000`), { timeoutMs: 60_000, signal: abort.signal });
  await until(() => existsSync(`${folder}/began`), { timeoutMs: 15_000, what: 'the command to begin' });
  abort.abort();
  t.match(await running, { timedOut: true, signal: 'SIGTERM' });
  t.match(await runCommand.run(shell(`touch ${folder}/never`), { timeoutMs: 60_000, signal: abort.signal }), { startError: /its time was over/ });
  t.notOk(existsSync(`${folder}/never`));
});

t.test('what cannot be started is a value that says why', async (t) => {
  t.match(await runCommand.run(['/nowhere/program'], { timeoutMs: 1000 }), { exitCode: undefined, startError: /\/nowhere\/program could not be started: ENOENT/ });
  t.match(await runCommand.run(['/etc/passwd'], { timeoutMs: 1000 }), { startError: /EACCES/ });
  t.match(await runCommand.run(['/bin/true'], { timeoutMs: 1000, folder: '/nowhere' }), { startError: /the folder \/nowhere does not exist/ });
  t.match(await runCommand.run(['true'], { timeoutMs: 1000 }), { startError: /expected the program as an absolute path, got true/ });
  t.match(await runCommand.run([], { timeoutMs: 1000 }), { startError: /got nothing/ });
  t.match(await runCommand.run(['/bin/true'], { timeoutMs: 1000, user: 'no-such-user' }), { startError: /no user no-such-user/ });
  t.match(await runCommand.startDetached(['/nowhere/program'], { output: join(tempFolder(t), 'out') }), { startError: /ENOENT/ });
  t.match(await runCommand.startDetached(['/bin/true'], { output: '/etc/passwd/out' }), { startError: /cannot be written/ });
});

t.test('a command can run as another user, without our groups', { skip: isRoot ? false : 'needs root' }, async (t) => {
  const { output } = await runCommand.run(['/usr/bin/id'], { timeoutMs: 5000, user: 'nobody' });
  t.equal(output, 'uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)');
});

t.test('a daemon that keeps the output open delays nothing and is not killed by its own words', async (t) => {
  const folder = tempFolder(t);
  const done = await runCommand.run(shell(`(while [ ! -e ${folder}/go ]; do sleep 0.05; done; echo late && echo alive > ${folder}/alive) & echo started`), { timeoutMs: 20_000 });
  t.match(done, { exitCode: 0, timedOut: false, output: 'started' }, 'it did not wait for the daemon, which waits for what comes now');
  await succeed(['/usr/bin/touch', `${folder}/go`]);
  await until(() => existsSync(`${folder}/alive`), { timeoutMs: 15_000, what: 'the daemon to survive its writing' });
});

t.test('a detached program outlives who started it and appends to its output file', async (t) => {
  const output = join(tempFolder(t), 'deep', 'out');
  const starter = ['node', join(import.meta.dirname, '..', 'fixtures', 'services', 'starts-detached.ts'), output];
  const first = JSON.parse(await succeed([...starter, ...shell('echo one')]));
  await until(() => !lives(first.pid), { timeoutMs: 15_000, what: 'the first to end' });
  const { pid } = JSON.parse(await succeed([...starter, ...shell('echo two; exec sleep 1000')]));
  t.teardown(() => process.kill(pid, 'SIGKILL'));
  await until(() => readFileSync(output, 'utf8') === 'one\ntwo\n', { timeoutMs: 15_000, what: 'both outputs' });
  t.match(readStat(pid), { session: pid, group: pid });
});

t.test("root's output goes nowhere but into a file of its own", { skip: isRoot ? false : 'needs root' }, async (t) => {
  const folder = tempFolder(t);
  const victim = join(folder, 'victim');
  writeFileSync(victim, 'untouched\n');
  const start = (output: string) => runCommand.startDetached(['/bin/echo', 'words'], { output });
  const refused = async (path: string, why: RegExp) => t.match(await start(join(folder, path)), { startError: why });

  symlinkSync(victim, join(folder, 'link'));
  await refused('link', /ELOOP/);
  linkSync(victim, join(folder, 'twin'));
  await refused('twin', /not a plain file of its own/);
  await succeed(['/usr/bin/mkfifo', join(folder, 'fifo')]);
  await refused('fifo', /ENXIO/);

  mkdirSync(join(folder, 'theirs', 'deep'), { recursive: true });
  chownSync(join(folder, 'theirs'), 65534, 65534);
  await refused('theirs/out', /theirs belongs to uid 65534/);
  await refused('theirs/deep/out', /theirs belongs to uid 65534/);
  await refused('theirs/new/out', /theirs belongs to uid 65534/);
  symlinkSync('theirs', join(folder, 'by-link'));
  await refused('by-link/out', /theirs belongs to uid 65534/);
  t.same(readdirSync(join(folder, 'theirs')), ['deep'], 'nothing was made there');

  mkdirSync(join(folder, 'open'));
  chmodSync(join(folder, 'open'), 0o1777);
  await refused('open/out', /open can be written by others/);
  chmodSync(join(folder, 'open'), 0o775);
  chownSync(join(folder, 'open'), 0, 65534);
  await refused('open/out', /open can be written by others/);
  t.equal(readFileSync(victim, 'utf8'), 'untouched\n');
});

t.test('a large output file is put aside at the next start', async (t) => {
  const output = join(tempFolder(t), 'out');
  writeFileSync(output, '');
  truncateSync(output, 8 * 1024 ** 2 + 1);
  t.match(await runCommand.startDetached(['/bin/echo', 'words'], { output }), { pid: Number });
  await until(() => readFileSync(output, 'utf8') === 'words\n', { timeoutMs: 15_000, what: 'the words' });
  t.equal(statSync(`${output}.1`).size, 8 * 1024 ** 2 + 1);
});

t.test('the supervisor hears how each of its processes ended', async (t) => {
  const ended = (argv: readonly [string, ...string[]], signal?: NodeJS.Signals): Promise<ProcessExit> =>
    new Promise((resolve) => {
      const started = startProcess(argv, { onExit: resolve });
      if (signal) t.ok(started.kill(signal));
    });
  t.match(await ended(['/bin/sh', '-c', 'exit 4']), { exitCode: 4, startError: undefined });
  t.match(await ended(['/bin/sleep', '1000'], 'SIGTERM'), { exitCode: undefined, signal: 'SIGTERM' });
  t.match(await ended(['/nowhere/program']), { startError: 'ENOENT' });
  const output = join(tempFolder(t), 'out');
  for (const word of ['a', 'b']) await new Promise((resolve) => startProcess(['/bin/sh', '-c', 'echo $WORD; echo $WORD >&2'], { environment: { WORD: word }, output, onExit: resolve }));
  t.equal(readFileSync(output, 'utf8'), 'a\na\nb\nb\n');
});
