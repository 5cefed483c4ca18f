import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Symptom } from '../../src/core/incident.ts';
import { createIncidents, type Incidents } from '../../src/healer/incidents.ts';
import type { ServiceState } from '../../src/healer/leaves.ts';
import { noticeHumans } from '../../src/healer/notice-humans.ts';
import { takeFailure } from '../../src/healer/take-facts.ts';
import { watchService } from '../../src/healer/watch.ts';
import { smallHealer } from '../fixtures/healer/small-healer.ts';
import { signal } from '../support/processes.ts';
import { start } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const run = (fence: string, mainPid?: number): ServiceState => ({ state: 'running', text: `${fence} runs`, pids: [], fence, ...(mainPid === undefined ? {} : { mainPid }) });

/** A service whose address nobody listens on: every connect fails, and is confirmed at once. */
async function scene(t: Test, service: Readonly<Record<string, unknown>> = { start_period: '30s' }) {
  let state = run('a');
  let looks = 0;
  const upstream = `unix:${join(tempFolder(t), 'nobody.sock')}`;
  const small = await smallHealer(t, {
    policies: { shop: { service: { type: 'external', ...service } } },
    gateways: { shop: { listen: 'unix:/run/never.sock', protocol: 'http', upstream, service: 'shop' } },
    state: () => ((looks += 1), state),
  });
  const seen: Symptom[] = [];
  const { healer, clock } = small;
  const incidents: Incidents = { ...createIncidents(healer), seen: (_ward, symptom) => void seen.push(symptom) };
  const fails = (): Promise<void> =>
    takeFailure(
      { type: 'failure_reported', gateway: 'shop', upstream: 0, kind: 'connection_refused', phase: 'connect', errno: 'ECONNREFUSED', detail: 'refused', requestId: 'r', atMs: clock.wallMs() },
      { wards: healer.wards, incidents, healer },
    );
  return {
    ...small,
    incidents,
    seen,
    fails,
    looks: () => looks,
    becomes: (next: ServiceState) => void (state = next),
    watched: (next: ServiceState) => noticeHumans(small.ward('shop'), next, healer),
  };
}

t.test('within start_period of any start failures do not count, and then they do', async (t) => {
  const { fails, seen, becomes, watched, clock } = await scene(t);
  await watched(run('a'));
  clock.pass(1000);
  await fails();
  t.equal(seen.length, 1, 'when the run that was there first began is not known');
  becomes(run('b'));
  clock.pass(1000);
  await fails();
  t.equal(seen.length, 1, 'somebody has started it, which the watch has not seen yet');
  clock.pass(29_999);
  await fails();
  t.equal(seen.length, 1);
  clock.pass(1);
  await fails();
  t.equal(seen.length, 2);
});

t.test('a service that dies within its start_period is not warming up', async (t) => {
  const { fails, seen, becomes, watched, clock } = await scene(t);
  await watched(run('a'));
  becomes(run('b'));
  clock.pass(1000);
  await fails();
  t.equal(seen.length, 0);
  becomes({ ...run('b'), state: 'failed' });
  clock.pass(1000);
  await fails();
  t.equal(seen.length, 1);
});

t.test('a process knows by itself when it was started', async (t) => {
  const { fails, seen, becomes, clock } = await scene(t);
  const main = start(['/bin/sleep', '1000']);
  t.teardown(() => signal(main.pid, 'SIGKILL'));
  becomes(run('a', process.pid));
  clock.setWall(60_000);
  await fails();
  t.equal(seen.length, 1, 'this test has run for longer than 30 s, as far as the clock tells');
  clock.setWall(-60_000);
  becomes(run('b', main.pid));
  clock.pass(1000);
  await fails();
  t.equal(seen.length, 1, 'that one has not');
});

t.test('without start_period every failure counts, and nobody looks for a start', async (t) => {
  const { fails, seen, looks } = await scene(t, {});
  await fails();
  t.equal(seen.length, 1);
  t.equal(looks(), 0);
});

t.test('a flood of failures is no flood of looks', async (t) => {
  const { fails, looks } = await scene(t);
  await Promise.all(Array.from({ length: 200 }, fails));
  t.equal(looks(), 1);
});

t.test("the watch's own connects do not count before", async (t) => {
  const { watched, ward, incidents, healer, seen, becomes, clock } = await scene(t);
  await watched(run('a'));
  becomes(run('b'));
  const beganMs = clock.monotonicMs();
  void watchService(ward('shop'), incidents, healer);
  await until(() => (clock.pass(200), seen.length > 0), { timeoutMs: 20_000, everyMs: 1, what: 'failed connects to count' });
  t.match(seen[0], { kind: 'unanswered_probe' });
  t.ok(clock.monotonicMs() - beganMs >= 30_000, `${clock.monotonicMs() - beganMs} ms after the start`);
});
