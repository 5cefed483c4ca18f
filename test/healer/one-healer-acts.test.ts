import { chownSync, existsSync, linkSync, lstatSync, mkdirSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { takeLock, type TakenLock } from '../../src/healer/lock-file.ts';
import { standAsOneHealer, type OneHealerOptions } from '../../src/healer/one-healer.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { pidfileService, readyPolicy } from '../e2e/site.ts';
import { FakeClock } from './fake-clock.ts';
import { startGoodgateway, type Goodgateway } from '../support/goodgateway.ts';
import { startPhpFpm } from '../support/php-fpm.ts';
import { signal } from '../support/processes.ts';
import { start, succeed } from '../support/program.ts';
import { isRoot, missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

function taken(result: Awaited<ReturnType<typeof takeLock>>): TakenLock {
  if (result.kind !== 'taken') throw new Error(JSON.stringify(result));
  return result;
}

const holderProgram = join(import.meta.dirname, '../fixtures/healer/holds-a-lock.ts');

t.test('R21 one healer: the lock is held by one, says by whom, and is free when that one is killed', async (t) => {
  const lock = join(tempFolder(t, 'gg-lock'), 'made', 'healer.lock');
  const holder = start([process.execPath, '--disable-warning=ExperimentalWarning', holderProgram, lock]);
  t.teardown(() => signal(holder.pid, 'SIGKILL'));
  await until(() => holder.output().includes('taken'), { timeoutMs: 10_000, what: () => `the lock: ${holder.output()}` });
  t.equal(lstatSync(lock).mode & 0o777, 0o600);
  const pid = Number(/taken by (\d+)/.exec(holder.output())?.[1]);
  t.match(await takeLock(lock, {}, runCommand), { kind: 'held', note: { pid, by: 'the test', start_ticks: Number } });
  signal(pid, 'SIGKILL');
  await holder.ended;
  const own = taken(await takeLock(lock, { by: 'us' }, runCommand));
  t.match(JSON.parse(readFileSync(lock, 'utf8')), { pid: process.pid, by: 'us' });
  // whatever the healer starts meanwhile must not hold it when the healer has ended
  const detached = await runCommand.startDetached(['/bin/sleep', '1000'], { output: join(tempFolder(t), 'out') });
  if (!('pid' in detached)) throw new Error(detached.startError);
  t.teardown(() => signal(detached.pid, 'SIGKILL'));
  t.notMatch(await succeed(['/bin/ls', '-l', `/proc/${detached.pid}/fd`]), /healer.lock/);
  own.release();
  t.equal(readFileSync(lock, 'utf8'), '', 'no note of one who holds it no more');
  taken(await takeLock(lock, {}, runCommand)).release();
});

t.test('R21 one healer: a file that somebody else could hold or have put there is refused', async (t) => {
  const folder = tempFolder(t, 'gg-lock');
  const precious = join(folder, 'precious');
  writeFileSync(precious, 'text');
  const refused = async (lock: string, why: RegExp): Promise<void> => {
    const result = await takeLock(lock, {}, runCommand);
    t.match(result, { kind: 'unusable', problem: why });
  };
  symlinkSync(precious, join(folder, 'link'));
  await refused(join(folder, 'link'), /cannot be used: ELOOP/);
  linkSync(precious, join(folder, 'hard'));
  await refused(join(folder, 'hard'), /expected a plain file of its own/);
  await succeed(['/usr/bin/mkfifo', '-m', '600', join(folder, 'fifo')]);
  await refused(join(folder, 'fifo'), /expected a plain file of its own/);
  mkdirSync(join(folder, 'folder'));
  await refused(join(folder, 'folder'), /EISDIR/);
  await refused(join(precious, 'x'), /ENOTDIR|EEXIST/);
  if (isRoot) {
    writeFileSync(join(folder, 'foreign'), '');
    chownSync(join(folder, 'foreign'), 65534, 65534);
    await refused(join(folder, 'foreign'), /belongs to uid 0, found one of uid 65534/);
  }
  t.equal(readFileSync(precious, 'utf8'), 'text');
});

/** A healer's stand, and the words that it logged and recorded. */
async function stand(t: Test, lock: string, next: () => string = () => lock) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const said: string[] = [];
  const records: unknown[] = [];
  const say = (_fields: object, message: string): void => void said.push(message);
  const audit: OneHealerOptions['audit'] = { append: async (event) => (records.push(event), { kind: 'appended', seq: 1, hash: '', file: '' }) };
  const healer = await standAsOneHealer({ lock: next, run: runCommand, clock, stopping: stop.signal, log: { info: say, warn: say, error: say }, audit });
  t.teardown(() => (stop.abort(), healer.close()));
  return { ...healer, clock, said, records };
}

t.test('R21 one healer: who does not get the lock looks on, and takes over when it is free', async (t) => {
  const lock = join(tempFolder(t, 'gg-lock'), 'healer.lock');
  const other = taken(await takeLock(lock, { by: 'goodgateway' }, runCommand));
  const healer = await stand(t, lock);
  t.match(await healer.other(), { text: new RegExp(`^another healer acts: process ${process.pid} of goodgateway on .* holds ${lock}; this one looks on$`) });
  t.match(healer.said, [/it tries again every 3 s$/]);
  t.same(healer.records, []);
  healer.clock.pass(3000);
  other.release();
  await until(async () => (healer.clock.pass(3000), (await healer.other()) === undefined), { timeoutMs: 15_000, what: 'the take-over' });
  await until(() => healer.records.length === 1, { timeoutMs: 15_000, what: 'its record' });
  t.match(healer.records, [{ event: 'agent.started', text: /^this healer acts from now on: it holds .*healer.lock. Before: another healer acts/ }]);
});

t.test('R21 one healer: a lock file that was removed is locked anew, and one that another took first is respected', async (t) => {
  const lock = join(tempFolder(t, 'gg-lock'), 'healer.lock');
  const healer = await stand(t, lock);
  t.equal(await healer.other(), undefined);
  unlinkSync(lock);
  t.equal(await healer.other(), undefined);
  t.ok(existsSync(lock), 'made again, and held');
  t.match(await takeLock(lock, {}, runCommand), { kind: 'held' });
  t.match(healer.said[0], /was removed or replaced/);
  renameSync(lock, `${lock}.old`);
  const other = taken(await takeLock(lock, { by: 'another' }, runCommand));
  t.match(await healer.other(), { text: /another healer acts: process \d+ of another/ });
  other.release();
});

t.test('R21 one healer: a lock file that is configured anew is the one that counts', async (t) => {
  const folder = tempFolder(t, 'gg-lock');
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  let configured = first;
  const healer = await stand(t, first, () => configured);
  t.equal(await healer.other(), undefined);
  const other = taken(await takeLock(second, { by: 'another' }, runCommand));
  configured = second;
  t.match(await healer.other(), { text: new RegExp(`of another on .* holds ${second}`) });
  taken(await takeLock(first, {}, runCommand)).release();
  other.release();
});

t.test('R21 one healer: a lock that can be neither taken nor seen keeps from acting', async (t) => {
  const folder = tempFolder(t, 'gg-lock');
  symlinkSync('/nowhere', join(folder, 'healer.lock'));
  const healer = await stand(t, join(folder, 'healer.lock'));
  t.match(await healer.other(), { text: /^whether another healer acts cannot be known \(the lock file .* cannot be used: ELOOP.*\); until it can, this one looks on$/ });
});

t.test('R21 one healer: of two whole ones with one lock file exactly one acts; killed, the other takes over', { skip: missing('php-fpm8.2') }, async (t) => {
  const lock = join(tempFolder(t, 'gg-lock'), 'healer.lock');
  const fpm = await startPhpFpm(t, { maxChildren: 1 });
  const verify = { within: '10s', stable_for: '500ms', checks: [{ service: 'running' }, { connect: 'ok' }] };
  const policy = readyPolicy('php-fpm.yaml', { mode: 'act', service: pidfileService(fpm), 'limits.cooldown': '0s', verify });
  const begin = (): Promise<Goodgateway> =>
    startGoodgateway(t, {
      gateways: (folder) => ({ shop: { listen: `unix:${folder}/shop.sock`, protocol: 'fastcgi', upstream: fpm.address, service: 'php-fpm' } }),
      policies: [policy],
      // machines that have just been booted, or on which somebody installs something, run tests, too
      host: { safety: { one_healer: { lock }, pause_when: [] } },
    });
  const [acting, looking] = [await begin(), await begin()];
  const records = (one: Goodgateway, event: string) => one.audit().filter((record) => record.event === event);
  const starts = (one: Goodgateway) => records(one, 'action.intent').filter(({ action }) => action === 'start');

  fpm.crash();
  await until(() => records(acting, 'incident.recovered').length === 1, { timeoutMs: 30_000, what: () => `the first repair: ${acting.log().slice(-2000)}` });
  t.same([starts(acting).length, starts(looking).length], [1, 0]);

  // one that hangs still holds the lock: the crash is seen, and left to it
  const holder = await acting.kill('healer', 'SIGSTOP');
  fpm.crash();
  await until(() => records(looking, 'action.refused').length > 0, { timeoutMs: 30_000, what: () => `the refusal: ${looking.log().slice(-2000)}` });
  t.match(JSON.stringify(records(looking, 'action.refused')[0]), new RegExp(`another healer acts: process ${holder} of goodgateway on .* holds ${lock}`));
  // it may have come too late to the first crash, and have named no cause then
  const diagnoses = () => looking.audit().filter(({ event }) => event === 'diagnosis.made' || event === 'diagnosis.changed');
  await until(() => diagnoses().at(-1)?.cause === 'service.crashed', { timeoutMs: 30_000, what: () => `it to observe and record everything: ${JSON.stringify(diagnoses())}` });
  t.same([starts(acting).length, starts(looking).length], [1, 0]);
  t.same(records(looking, 'human.acted'), [], "the other one's start is no work of a person");

  await acting.kill('supervisor');
  signal(holder, 'SIGKILL');
  await until(() => records(looking, 'agent.started').length === 2, { timeoutMs: 30_000, what: () => `the take-over: ${looking.log().slice(-2000)}` });
  // it has seen the end of the first crash, too, if that took long enough to be seen by it
  const repaired = (): boolean => Number(records(looking, 'incident.recovered').at(-1)?.seq) > Number(starts(looking)[0]?.seq);
  await until(repaired, { timeoutMs: 30_000, what: () => `the second repair: ${looking.log().slice(-2000)}` });
  t.same([starts(acting).length, starts(looking).length], [1, 1]);
  t.equal(fpm.processes().filter(({ command }) => command.includes('master')).length, 1);
});
