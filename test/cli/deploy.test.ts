import { existsSync, lstatSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/core/time.ts';
import { createHostLook } from '../../src/healer/surroundings/host-look.ts';
import { processInfo, signal } from '../support/processes.ts';
import { start, type ProgramOptions } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const withNode = [process.execPath, '--disable-warning=ExperimentalWarning', main, 'deploy'];

/** A host without a healer. `deploy` runs the command as an administrator would. */
function scene(t: Test) {
  const folder = tempFolder(t, 'gg-deploy');
  const config = join(folder, 'goodgateway.yaml');
  const runtime = join(folder, 'run');
  writeFileSync(config, `version: 1\ngateways:\n  shop: { listen: unix:${folder}/s.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop }\nruntime: ${runtime}\n`);
  const begin = (words: readonly string[], options: ProgramOptions = {}) => start([...withNode, '--config', config, ...words], { folder, ...options });
  const look = async () =>
    (await createHostLook({ pauseWhen: () => ['deploy_running'], clock: systemClock, log: { warn: (_fields, message) => void t.fail(message) }, runtime })()).changes.map(({ text }) => text);
  /** A deploy that is at work until `go`. */
  const long = async (...words: readonly string[]) => {
    const [began, go] = [join(folder, `began-${words.length}`), join(folder, 'go')];
    const running = begin([...words, '--', '/bin/sh', '-c', `echo $$ > ${began}; while [ ! -e ${go} ]; do sleep 0.02; done`]);
    await until(() => existsSync(began) && readFileSync(began, 'utf8').endsWith('\n'), { timeoutMs: 30_000, what: () => `the deploy to begin: ${running.output()}` });
    const child = Number(readFileSync(began, 'utf8'));
    t.teardown(() => signal(child, 'SIGKILL'));
    return { ...running, child, letEnd: () => writeFileSync(go, '') };
  };
  return { folder, runtime, begin, look, long };
}

t.test('R17 change detection: a deploy holds its lock as long as it runs, without a healer, and says who and why', async (t) => {
  const { look, long, runtime, folder } = scene(t);
  const deploy = await long('--reason', 'release 4711\u001b[2J');
  t.match(await look(), [/^a deploy is running: process \d+ of .+ on .+ since 20.*Z \(release 4711�\[2J\) holds .*\/run\/deploy.lock$/]);
  t.equal(lstatSync(join(runtime, 'deploy.lock')).mode & 0o777, 0o600, 'nobody else can hold it');
  deploy.letEnd();
  t.match(await deploy.ended, { code: 0 });
  t.same(await look(), []);
  t.ok(existsSync(folder));
});

t.test('input, output, folder and environment are those of the caller, and the exit status is that of the program', async (t) => {
  const { begin, folder } = scene(t);
  const [piped, failing, absent, forbidden, wrong, killed] = await Promise.all(
    [
      [
        scene(t).begin(['--', '/bin/sh', '-c', 'cat; pwd; echo $FLAVOUR; echo $0 $1; echo to-stderr >&2; exit 0', '--fast', 'two words'], {
          input: 'from stdin\n',
          environment: { FLAVOUR: 'mint' },
          folder,
        }),
      ],
      [scene(t).begin(['--', '/bin/sh', '-c', 'exit 42'])],
      [scene(t).begin(['--', './no-such-program'])],
      [scene(t).begin(['--', '/etc/passwd'])],
      [begin([])],
      [scene(t).begin(['--', '/bin/sh', '-c', 'kill -SEGV $$'])],
    ].map(([one]) => one!.ended),
  );
  t.equal(piped?.code, 0);
  t.match(piped?.output, new RegExp(`from stdin\\n${folder}\\nmint\\n--fast two words\\n`));
  t.match(piped?.output, /to-stderr/);
  t.equal(failing?.code, 42);
  t.match(absent, { code: 127, output: /no-such-program could not be started: ENOENT/ });
  t.match(forbidden, { code: 126, output: /EACCES/ });
  t.match(wrong, { code: 2, output: /missing required argument/ });
  t.equal(killed?.code, 128 + 11, 'as a shell says it');
});

t.test('a signal goes to the program, which gets all the time it needs, and the lock is held until it has ended', async (t) => {
  const { begin, look, folder } = scene(t);
  const began = join(folder, 'began');
  const deploy = begin(['--', '/bin/sh', '-c', `trap 'sleep 5.3; echo cleaning up; trap - TERM; kill -TERM $$' TERM; echo $PPID > ${began}; while :; do sleep 0.02; done`]);
  await until(() => existsSync(began) && readFileSync(began, 'utf8').endsWith('\n'), { timeoutMs: 30_000, what: () => `the deploy to begin: ${deploy.output()}` });
  signal(Number(readFileSync(began, 'utf8')), 'SIGTERM');
  t.equal((await look()).length, 1);
  t.match(await deploy.ended, { code: 128 + 15, output: /cleaning up/ });
  t.same(await look(), []);
});

t.test('a signal that comes as soon as the program runs goes to the program, too', async (t) => {
  const { begin, look } = scene(t);
  // each asks for the signal with its first breath, while goodgateway has hardly started it
  const all = Array.from({ length: 5 }, () => begin(['--wait', '--', '/bin/sh', '-c', "trap 'echo told; exit 7' TERM; kill -TERM $PPID; while :; do sleep 0.02; done"]));
  for (const { ended } of all) t.match(await ended, { code: 7, output: /told/ });
  t.same(await look(), []);
});

t.test('a second deploy is refused and told who runs, or waits if it is asked to', async (t) => {
  const { begin, long, folder } = scene(t);
  const deploy = await long('--reason', 'the first');
  t.match(await begin(['--', '/bin/touch', 'never']).ended, { code: 75, output: /another deploy is running: process \d+ of .* \(the first\). Wait for its end, or use --wait/ });
  t.notOk(existsSync(join(folder, 'never')));
  const waiting = begin(['--wait', '--', '/bin/touch', 'waited']);
  await until(() => waiting.output().includes('waiting for another deploy to end: process'), { timeoutMs: 30_000, what: 'it to say that it waits' });
  t.notOk(existsSync(join(folder, 'waited')));
  deploy.letEnd();
  t.match(await waiting.ended, { code: 0 });
  t.ok(existsSync(join(folder, 'waited')));
});

t.test('R17 change detection: what a deploy leaves running keeps no lock, and neither does a killed one', async (t) => {
  const { begin, look, long, runtime } = scene(t);
  const daemon = await begin(['--', '/bin/sh', '-c', 'sleep 1000 > /dev/null 2>&1 & echo pid $!']).ended;
  const pid = Number(/pid (\d+)/.exec(daemon.output)?.[1]);
  t.teardown(() => signal(pid, 'SIGKILL'));
  t.ok(processInfo(pid), 'it runs');
  t.same(await look(), []);
  const deploy = await long('--reason', 'dies');
  t.equal((await look()).length, 1);
  signal(processInfo(deploy.child)?.parent ?? 0, 'SIGKILL');
  await until(async () => (await look()).length === 0, { timeoutMs: 15_000, what: 'the lock to be free' });
  const script = start(['/usr/bin/flock', '--no-fork', join(runtime, 'deploy.lock'), '/bin/sh', '-c', 'echo locked; exec sleep 1000']);
  t.teardown(() => signal(script.pid, 'SIGKILL'));
  await until(() => script.output().includes('locked'), { timeoutMs: 15_000, what: 'a script to hold the lock' });
  t.match(await begin(['--', '/bin/true']).ended, { code: 75, output: /another deploy is running: a process that left no note of itself/ }, 'whose note is still there does not hold it');
});

t.test('where it cannot be locked, nothing is deployed', async (t) => {
  const { begin, folder, runtime } = scene(t);
  writeFileSync(join(folder, 'precious'), 'text');
  t.equal((await begin(['--', '/bin/true']).ended).code, 0);
  const lock = join(runtime, 'deploy.lock');
  unlinkSync(lock);
  symlinkSync(join(folder, 'precious'), lock);
  t.match(await begin(['--', '/bin/touch', 'never']).ended, { code: 1, output: /not deployed, because the healer could not be kept away: the lock file .* cannot be used: ELOOP/ });
  t.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'text');
  t.notOk(existsSync(join(folder, 'never')));
});

t.test('without flock(1), nothing is deployed', { skip: isRoot ? false : 'needs root, to hide it in a mount namespace' }, async (t) => {
  const { folder } = scene(t);
  const hide = 'mount -t tmpfs none /usr/bin; exec "$@"';
  const argv = ['/usr/bin/unshare', '--mount', '/bin/sh', '-c', hide, 'hide', ...withNode, '--config', join(folder, 'goodgateway.yaml'), '--', '/bin/touch', 'never'];
  t.match(await start(argv, { folder }).ended, { code: 1, output: /the program flock is missing \(looked for \/usr\/bin\/flock and \/bin\/flock\): install util-linux/ });
});
