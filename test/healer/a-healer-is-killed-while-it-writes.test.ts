/**
 * A real healer with a service that crashes all the time, so that it writes all the time, killed at moments that a seed
 * decides. `KILLS=500 npx tap test/healer/a-healer-is-killed-while-it-writes.test.ts` is the long form.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { listAuditFiles } from '../../src/healer/audit/files.ts';
import { verifyAuditFolder } from '../../src/healer/audit/verify-audit-folder.ts';
import { systemClock } from '../../src/core/time.ts';
import { processInfo, signal } from '../support/processes.ts';
import { start, type Running } from '../support/program.ts';
import { smallService } from '../support/small-service.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const kills = Number(process.env['KILLS'] ?? 5);
const program = join(import.meta.dirname, '../../src/healer/main.ts');
const patience = { timeoutMs: 20_000, everyMs: 20 };

t.setTimeout(60_000 + kills * 3000);

t.test(`killed ${kills} times at random moments: no record is half-read, none is lost after its act began, the chain holds`, async (t) => {
  const small = await smallService(t);
  const compiled = tempFolder(t, 'gg-compiled');
  const folder = join(small.folder, 'audit');
  const read = () => small.audit();
  // the records themselves would be most of the work, the longer the more
  const written = (): number => (existsSync(folder) ? readdirSync(folder).reduce((bytes, name) => bytes + statSync(join(folder, name)).size, 0) : 0);
  const begin = (): Running => start([process.execPath, '--disable-warning=ExperimentalWarning', program, '--config', small.config], { environment: { NODE_COMPILE_CACHE: compiled } });
  let seed = 20_261_126;
  const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
  const starts = (): number => read().filter(({ event }) => event === 'agent.started').length;
  /** A new life, and the record of its beginning where that is waited for: the service has crashed once more. */
  const live = async (waits: boolean): Promise<Running> => {
    await small.crash();
    const [bytes, before] = [written(), starts()];
    const running = begin();
    t.teardown(() => signal(running.pid, 'SIGKILL'));
    if (waits) await until(() => written() > bytes && starts() > before, { ...patience, what: () => `a record of a new life: ${running.output().slice(-300)}` });
    return running;
  };
  const end = async ({ pid }: Running): Promise<void> => {
    signal(pid, 'SIGKILL');
    await until(() => processInfo(pid) === undefined, { ...patience, what: 'its end' });
  };

  // one that nobody kills: how long a life is from its first record to the end of its first repair, on this machine today
  await until(() => small.isRunning(), { ...patience, what: 'the service: what has not begun cannot crash' });
  const undisturbed = await live(true);
  const beganMs = systemClock.monotonicMs();
  await until(() => read().some(({ event }) => event === 'incident.recovered'), { ...patience, what: () => `a first repair: ${undisturbed.output().slice(-300)}` });
  const repairMs = systemClock.monotonicMs() - beganMs;
  await end(undisturbed);

  for (let kill = 0; kill < kills; kill++) {
    // every fourth dies while it starts, the others while they look, act, verify or rest
    const running = await live(kill % 4 !== 0);
    await systemClock.sleep(random(Math.ceil(1.2 * repairMs)));
    await end(running);
  }
  const before = starts();
  const last = begin();
  t.teardown(() => signal(last.pid, 'SIGKILL'));
  await until(() => starts() > before && small.isRunning() && small.state().incidents.length === 0, { ...patience, what: () => `peace: ${last.output().slice(-500)}` });
  // what is counted must not grow meanwhile
  signal(last.pid, 'SIGTERM');
  await last.ended;

  const records = read();
  const named = (event: string) => records.filter((record) => record.event === event);
  t.ok(named('agent.started').length > (kills * 3) / 4, 'each life that wrote has left its beginning');
  t.equal(named('agent.crashed').length, named('agent.started').length - 1, 'and the next one has told its end');
  t.ok(named('action.intent').length > kills / 25, 'acts were begun');
  t.ok(small.starts() <= named('action.intent').length, `no act without its record: ${small.starts()} starts, ${named('action.intent').length} intents`);
  const ended = new Set([...named('action.finished'), ...named('action.unknown')].map(({ action_id: id }) => id));
  t.same(
    named('action.intent').filter(({ action_id: id }) => !ended.has(id)),
    [],
    'each intent has an outcome, if only that nobody knows it',
  );
  const verified = await verifyAuditFolder(await listAuditFiles(folder));
  t.match(verified, { ok: true, records: records.length, firstSeq: 1 });
  t.comment(`${records.length} records, ${named('action.intent').length} intents, ${named('action.unknown').length} of unknown outcome, ${named('audit.gap').length} torn lines`);
});
