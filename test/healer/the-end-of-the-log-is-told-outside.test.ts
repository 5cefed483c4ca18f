import { join } from 'node:path';
import t from 'tap';
import { findCheckpoints } from '../../src/healer/audit/checkpoint.ts';
import { openAuditLog } from '../../src/healer/audit/log.ts';
import type { CommandResult, RunCommand } from '../../src/healer/commands.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { tellCheckpoints } from '../../src/healer/tell-checkpoints.ts';
import { recordsIn } from '../fixtures/audit/records-in.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

const minuteMs = 60_000;

interface Hours {
  readonly minutes: number;
  /** What is written, and in which minute. */
  readonly busyUntil: number;
  readonly answer?: Partial<CommandResult>;
  readonly run?: RunCommand['run'];
}

/** A log and its checkpoints, for so many minutes of a clock that leaps from one wait to the next. */
async function hours(t: TestScope, { minutes, busyUntil, answer = { exitCode: 0 }, run }: Hours) {
  const folder = join(tempFolder(t), 'audit');
  const stop = new AbortController();
  let now = Date.parse('2026-11-22T10:00:00.000Z');
  const end = now + minutes * minuteMs;
  const begin = now;
  const clock = {
    wallMs: () => now,
    monotonicMs: () => now - begin,
    sleep: async (ms: number) => {
      now += ms;
      if (now > end) stop.abort();
      else if (now <= begin + busyUntil * minuteMs) await audit.append({ event: 'incident.updated' });
    },
  };
  const audit = await openAuditLog({ folder, host: 'h', agent: 'a', clock, bootId: 'b' });
  t.teardown(() => audit.close());
  await audit.append({ event: 'agent.started' });
  const [told, warned]: [string[], string[]] = [[], []];
  const record: RunCommand['run'] = async (argv) => {
    told.push(argv.at(-1) ?? '');
    return { argv, exitCode: undefined, signal: undefined, timedOut: false, durationMs: 1, output: '', ...answer };
  };
  const log = { info: () => undefined, warn: (_fields: object, message: string) => void warned.push(message), error: () => undefined };
  await tellCheckpoints({ audit, run: { ...runCommand, run: run ?? record }, clock, log, stopping: stop.signal });
  const records = await recordsIn(folder);
  return { folder, told, warned, records, checkpoints: records.filter(({ event }) => event === 'audit.checkpoint') };
}

t.test('every five minutes while something is written, then every hour; in the log and outside the same', async (t) => {
  const { folder, told, checkpoints, records } = await hours(t, { minutes: 200, busyUntil: 15 });
  t.same(
    checkpoints.map(({ ts }) => ts.slice(11, 16)),
    ['10:05', '10:10', '10:15', '11:15', '12:15', '13:15'],
  );
  t.same(
    findCheckpoints(told.map((line) => `Nov 22 10:05:00 web1 goodgateway: ${line}`).join('\n'), folder),
    checkpoints.map(({ checkpoint }) => ({ seq: checkpoint?.seq, hash: checkpoint?.head })),
  );
  t.equal(findCheckpoints(told.join('\n'), `${folder}/`).length, checkpoints.length, 'also where the configuration writes the folder with a slash at its end');
  t.same(findCheckpoints(told.join('\n'), '/another/log'), [], 'of another log on the same machine nothing is taken');
  for (const { checkpoint } of checkpoints) t.equal(records.find(({ seq }) => seq === (checkpoint?.seq ?? 0) + 1)?.prev, checkpoint?.head);
});

t.test('where it cannot be told, that is said once, and the log goes on', async (t) => {
  const { warned, checkpoints } = await hours(t, { minutes: 40, busyUntil: 40, answer: { startError: '/usr/bin/logger could not be started: ENOENT' } });
  t.equal(checkpoints.length, 8);
  t.match(warned, [/could not be told to the journal or syslog \(\/usr\/bin\/logger could not be started: ENOENT\).*audit\.checkpoints: none/]);
  t.equal(warned.length, 1);
});
