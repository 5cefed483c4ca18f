import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { Step } from '../../src/core/decision.ts';
import type { Incident, Symptom } from '../../src/core/incident.ts';
import { systemClock } from '../../src/core/time.ts';
import { backoffEndMs, cooldownEndMs, useOfWindow } from '../../src/healer/policy/limits.ts';
import { openStateStore, type StateStore } from '../../src/healer/state-store.ts';
import { FakeClock } from './fake-clock.ts';

const minute = 60_000;
const start: Step = { action: 'start', options: {}, timeoutMs: 30_000, attempt: 1, rung: 0 };

/** Every field that there is: what the file cannot hold would cost the healer its whole memory. */
const symptom: Required<Symptom> = { seenBy: 'nginx_log', kind: 'connection_refused', gateway: 'shop', count: 3, errno: 'ECONNREFUSED', text: 'refused' };

function incidentOf(id: string, service = 'php-fpm'): Incident {
  return { id, service, openedAtMs: 1_700_000_000_000, symptom };
}

async function folderOf(test: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'goodgateway-state-'));
  test.teardown(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'lib');
}

/** The same machine later: the wall clock went on, the monotonic one began again. */
function reboot(clock: FakeClock, laterMs: number): FakeClock {
  return new FakeClock(clock.wallMs() + laterMs, 17);
}

function service(store: StateStore, name = 'php-fpm') {
  const found = store.state().services.get(name);
  if (!found) throw new Error(`nothing is known of ${name}`);
  return found;
}

t.test('everything that counts survives a reboot: attempts, ladder, back-off, cooldown, give-up and pause', async (t) => {
  const folder = await folderOf(t);
  const clock = new FakeClock();
  const before = await openStateStore(folder, clock, () => 0.25);
  t.equal(before.notice, undefined);
  t.same(before.state().attempts, [], 'a fresh installation knows nothing');
  const incident = incidentOf('A');
  t.strictSame(await before.openIncident(incident, 10 * minute), { kind: 'saved' });
  await before.startStep({ incident, rule: 'Crashed, so start it', step: start, counts: true });
  clock.pass(5000);
  await before.startStep({ incident, rule: 'Crashed, so start it', step: { ...start, action: 'page', rung: 1 }, counts: false });
  await before.endVerification(incident, 'not_recovered');
  await before.giveUp(incident, 'start did not help');
  await before.pause('php-fpm', { forMs: 30 * minute, reason: 'deploy 4711' });

  const later = reboot(clock, 10 * minute);
  const { notice, state } = await openStateStore(folder, later);
  t.equal(notice, undefined);
  t.strictSame(
    state().attempts.map(({ atMs, ...rest }) => [rest, later.monotonicMs() - atMs]),
    [[{ service: 'php-fpm', incident: 'A', action: 'start' }, 10 * minute + 5000]],
  );
  t.strictSame(state().incidents, [{ ...incident, ladder: [{ rule: 'Crashed, so start it', rung: 1, attempt: 1 }], approvals: [], undo: [] }]);
  const known = state().services.get('php-fpm')!;
  t.match(known.backoff, { attempts: 1, draw: 0.25 });
  t.equal(later.monotonicMs() - known.verifications[0]!.endedAtMs, 10 * minute);
  t.match(known.gaveUp, { incident: 'A', reason: 'start did not help', sinceMs: later.monotonicMs() - 10 * minute, retried: false });
  t.match(known.paused, { reason: 'deploy 4711', untilMs: later.monotonicMs() + 20 * minute });
  t.equal((await stat(join(folder, 'healing.json'))).mode & 0o777, 0o600);
  t.equal((await stat(folder)).mode & 0o777, 0o700);
});

t.test('a clock that goes backwards loses nothing: attempts from the future count, for one window and not for years', async (t) => {
  const folder = await folderOf(t);
  const clock = new FakeClock();
  const before = await openStateStore(folder, clock);
  const incident = incidentOf('A');
  await before.startStep({ incident, rule: 'r', step: start, counts: true });
  clock.setWall(-3 * 365 * 24 * 60 * minute);
  await before.startStep({ incident, rule: 'r', step: start, counts: true });
  clock.pass(minute);
  const limit = { times: 2, withinMs: 60 * minute };
  const use = (store: StateStore, on: FakeClock) =>
    useOfWindow(
      store.state().attempts.map((attempt) => attempt.atMs),
      limit,
      on.monotonicMs(),
    );
  t.equal(use(before, clock).used, 2, 'within one life the wall clock does not matter at all');
  await before.endVerification(incident, 'recovered');

  const back = reboot(clock, -2 * 24 * 60 * minute);
  const after = await openStateStore(folder, back);
  t.strictSame(use(after, back), { used: 2, freeAtMs: back.monotonicMs() + 60 * minute });
  back.pass(60 * minute);
  t.equal(use(after, back).used, 0);
});

t.test('the back-off grows with attempts, and reset_after of verified health sets it to its beginning', async (t) => {
  const clock = new FakeClock();
  const store = await openStateStore(await folderOf(t), clock, () => 0.5);
  const config = { initial: 1000, factor: 2, max: 300_000, jitter: 0.2, reset_after: 10 * minute };
  const waitMs = () => backoffEndMs(service(store), clock.monotonicMs(), config) - clock.monotonicMs();
  const round = async (id: string, outcome: 'recovered' | 'not_recovered') => {
    const incident = incidentOf(id);
    await store.openIncident(incident, config.reset_after);
    await store.startStep({ incident, rule: 'r', step: start, counts: true });
    await store.endVerification(incident, outcome);
    const wait = waitMs();
    await store.closeIncident(id);
    return wait;
  };
  t.equal(await round('A', 'not_recovered'), 1000);
  clock.pass(60 * minute);
  t.equal(await round('B', 'recovered'), 2000, 'an hour in which nobody saw it well resets nothing');
  clock.pass(9 * minute);
  t.equal(await round('C', 'recovered'), 4000, 'nor do nine minutes of health');
  clock.pass(10 * minute);
  t.equal(await round('D', 'recovered'), 1000, 'ten minutes do');
});

t.test('the one try after giving up is spent by its attempt, and verified health ends the give-up', async (t) => {
  const clock = new FakeClock();
  const store = await openStateStore(await folderOf(t), clock);
  const incident = incidentOf('A');
  await store.openIncident(incident, minute);
  await store.giveUp(incident, 'nothing helped');
  t.equal(service(store).gaveUp, undefined, 'nothing was tried, so nothing is given up');
  await store.startStep({ incident, rule: 'r', step: start, counts: true });
  await store.giveUp(incident, 'nothing helped');
  await store.startStep({ incident, rule: 'r', step: { ...start, action: 'page' }, counts: false });
  t.equal(service(store).gaveUp?.retried, false, 'telling people is no attempt');
  await store.startStep({ incident, rule: 'r', step: start, counts: true });
  t.equal(service(store).gaveUp?.retried, true);
  await store.endVerification(incident, 'not_recovered');
  clock.pass(minute);
  await store.giveUp(incident, 'the one try did not help either');
  t.match(service(store).gaveUp, { retried: true, sinceMs: clock.monotonicMs() - minute, reason: /either/ }, 'giving up again does not renew it');
  await store.endVerification(incident, 'recovered');
  t.equal(service(store).gaveUp, undefined);
});

t.test('the cooldown starts after a repair, and not after what came back by itself', async (t) => {
  const clock = new FakeClock();
  const store = await openStateStore(await folderOf(t), clock);
  const end = () => cooldownEndMs(service(store), 'NEXT', minute);
  const [repaired, blip] = [incidentOf('A'), incidentOf('B')];
  await store.openIncident(repaired, minute);
  await store.startStep({ incident: repaired, rule: 'r', step: start, counts: true });
  clock.pass(3000);
  await store.endVerification(repaired, 'recovered');
  const expected = clock.monotonicMs() + minute;
  t.equal(end(), expected);
  clock.pass(1000);
  await store.openIncident(blip, minute);
  await store.endVerification(blip, 'recovered');
  t.equal(end(), expected, 'and is neither moved nor forgotten by it');
});

t.test('an incident is opened once, one per service, and goes when it is closed', async (t) => {
  const store = await openStateStore(await folderOf(t), new FakeClock());
  await store.openIncident(incidentOf('A'), minute);
  await store.startStep({ incident: incidentOf('A'), rule: 'r', step: start, counts: true });
  await store.openIncident(incidentOf('A'), minute);
  t.equal(store.state().incidents[0]!.ladder.length, 1, 'going on with an incident keeps its ladder');
  await store.openIncident(incidentOf('B'), minute);
  await store.openIncident(incidentOf('C', 'redis'), minute);
  t.same(
    store.state().incidents.map((incident) => incident.id),
    ['B', 'C'],
  );
  await store.closeIncident('B');
  t.same(
    store.state().incidents.map((incident) => incident.id),
    ['C'],
  );
});

t.test('memory is bounded: a thousand attempts of a service, a pause of a day', async (t) => {
  const clock = new FakeClock();
  const store = await openStateStore(await folderOf(t), clock);
  await store.startStep({ incident: incidentOf('A', 'redis'), rule: 'r', step: start, counts: true });
  const saves = Array.from({ length: 1010 }, (_, i) => (clock.pass(1), store.startStep({ incident: incidentOf(`I${i}`), rule: 'r', step: start, counts: true })));
  for (const result of await Promise.all(saves)) t.equal(result.kind, 'saved');
  const own = store.state().attempts.filter((attempt) => attempt.service === 'php-fpm');
  t.equal(own.length, 1000);
  t.equal(own[0]!.incident, 'I10', 'the oldest go');
  t.equal(store.state().attempts.length, 1001, 'and only those of the same service');
  await store.pause('redis', { forMs: 99 * 24 * 60 * minute, reason: 'holidays' });
  t.equal(service(store, 'redis').paused!.untilMs - clock.monotonicMs(), 24 * 60 * minute);
});

t.test('a file that cannot be read is set aside, and the limits count from the safe side', async (t) => {
  const table = [
    ['half a file', '{"version":1,"attempts":[{"serv'],
    ['no file of ours', '{"hello":"world"}'],
    ['a future version', JSON.stringify({ version: 2, attempts: [], services: [], incidents: [] })],
    ['an empty file', ''],
  ] as const;
  for (const [name, content] of table) {
    const folder = await folderOf(t);
    await mkdir(folder);
    await writeFile(join(folder, 'healing.json'), content);
    const clock = new FakeClock();
    const store = await openStateStore(folder, clock);
    const aside = `healing.json.corrupt-${clock.wallMs()}`;
    t.match(store.notice, new RegExp(`cannot be read: .*kept as .*${aside}.*one attempt is left for each service`, 's'), name);
    t.equal(store.state().lostAtMs, clock.monotonicMs());
    t.equal(await readFile(join(folder, aside), 'utf8'), content);
    const later = reboot(clock, minute);
    const again = await openStateStore(folder, later);
    t.equal(again.notice, undefined, 'a restart does not say it again');
    t.equal(again.state().lostAtMs, later.monotonicMs() - minute, 'and does not forget that something was lost');
  }
});

t.test('what cannot be written is said, counts in memory, and is written when that is possible again', async (t) => {
  const folder = await folderOf(t);
  await writeFile(folder, 'a file where the folder should be');
  const store = await openStateStore(folder, new FakeClock());
  t.match(store.notice, /cannot be read: .*ENOTDIR/);
  const incident = incidentOf('A');
  t.match(await store.startStep({ incident, rule: 'r', step: start, counts: true }), { kind: 'not_saved', detail: /healing.json could not be written: .*(EEXIST|ENOTDIR)/ });
  t.equal(store.state().attempts.length, 1);
  await rm(folder);
  t.strictSame(await store.endVerification(incident, 'unknown'), { kind: 'saved' });
  t.equal((await openStateStore(folder, new FakeClock())).state().attempts.length, 1);
});

t.test('a leftover of a crash does no harm, nor does its mode', async (t) => {
  const folder = await folderOf(t);
  await mkdir(folder);
  await writeFile(join(folder, 'healing.json.new'), '{"version":1,"attem');
  await chmod(join(folder, 'healing.json.new'), 0o666);
  const store = await openStateStore(folder, new FakeClock());
  t.equal(store.notice, undefined);
  await store.openIncident(incidentOf('A'), minute);
  t.same(await readdir(folder), ['healing.json']);
  t.equal((await stat(join(folder, 'healing.json'))).mode & 0o777, 0o600);
});

t.test('kill -9 at any moment: every attempt that was reported as saved is found again', async (t) => {
  const folder = await folderOf(t);
  const program = fileURLToPath(new URL('../fixtures/state/counts-attempts-until-killed.ts', import.meta.url));
  let last = 0;
  for (const lines of [1, 2, 7, 23, 60]) {
    const child = spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    let seen = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      last = Number(line);
      if (++seen === lines) child.kill('SIGKILL');
    }
    t.same((await exited)[1], 'SIGKILL');
    const found = (await openStateStore(folder, systemClock)).state();
    t.ok(found.attempts.length === last || found.attempts.length === last + 1, `${last} were reported, ${found.attempts.length} are found`);
    last = found.attempts.length;
  }
});
