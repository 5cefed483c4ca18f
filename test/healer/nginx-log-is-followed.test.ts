import { appendFileSync, mkdirSync, renameSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/core/time.ts';
import { followLog } from '../../src/healer/nginx-log/follow-log.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

interface Followed {
  readonly file: string;
  readonly lines: string[];
  readonly troubles: (string | undefined)[];
  /** Waits until exactly these lines came, one after the other. */
  came(...lines: readonly string[]): Promise<void>;
}

/** A log with a line from before, followed until the test is over. */
function follow(t: Test, before: (file: string) => void = (file) => writeFileSync(file, 'old\n')): Followed {
  const file = join(tempFolder(t), 'error.log');
  before(file);
  const [lines, troubles]: [string[], (string | undefined)[]] = [[], []];
  const stop = new AbortController();
  const ended = followLog({ file, clock: systemClock, signal: stop.signal, onLine: async (line) => void lines.push(line), onTrouble: (reason) => void troubles.push(reason) });
  t.teardown(() => {
    stop.abort();
    return ended;
  });
  return {
    file,
    lines,
    troubles,
    came: async (...expected) => {
      await until(() => lines.length >= expected.length, { timeoutMs: 15_000, what: () => `${expected.join(', ')}; came: ${lines.join(', ')}` });
      t.same(lines.splice(0), expected);
    },
  };
}

/** A line that is written again until it was read: only then is the file known to be followed. */
async function begun({ file, lines }: Followed): Promise<void> {
  await until(
    () => {
      if (lines.length === 0) appendFileSync(file, 'begin\n');
      return lines.includes('begin');
    },
    { timeoutMs: 15_000, everyMs: 100, what: 'the first line' },
  );
  appendFileSync(file, 'begun\n');
  await until(() => lines.includes('begun'), { timeoutMs: 15_000, what: 'the second line' });
  lines.length = 0;
}

t.test('what was written before is not read, what comes is, a line when its end is written', async (t) => {
  const log = follow(t);
  await begun(log);
  appendFileSync(log.file, 'one\ntwo\nthr');
  await log.came('one', 'two');
  appendFileSync(log.file, 'ee\n');
  await log.came('three');
  t.same(log.troubles, []);
});

t.test('rotation: the old file is read to its end, then the new one from its beginning', async (t) => {
  const log = follow(t);
  await begun(log);
  renameSync(log.file, `${log.file}.1`);
  appendFileSync(`${log.file}.1`, 'before nginx knows\n');
  await log.came('before nginx knows');
  writeFileSync(log.file, '');
  appendFileSync(`${log.file}.1`, 'still the old one\n');
  await log.came('still the old one');
  appendFileSync(`${log.file}.1`, 'last\n');
  appendFileSync(log.file, 'first\n');
  await log.came('last', 'first');
  t.same(log.troubles, []);
});

t.test('a log that is emptied in place is read from its beginning', async (t) => {
  const log = follow(t);
  await begun(log);
  truncateSync(log.file);
  appendFileSync(log.file, 'anew\n');
  await log.came('anew');
});

t.test('a line that nginx cannot have written is dropped, the next one is read', async (t) => {
  const log = follow(t);
  await begun(log);
  appendFileSync(log.file, `${'x'.repeat(2 ** 20)}\nshort\n${'y'.repeat(4097)}\n${'z'.repeat(4096)}\n`);
  await log.came('short', 'z'.repeat(4096));
  appendFileSync(log.file, 'w'.repeat(10_000));
  appendFileSync(log.file, 'w\nnext\n');
  await log.came('next');
});

t.test('of a storm only the end is read', async (t) => {
  const log = follow(t);
  await begun(log);
  const storm = Array.from({ length: 60_000 }, (_, i) => `${String(i).padStart(99, '0')}\n`).join('');
  appendFileSync(log.file, storm);
  await until(() => log.lines.at(-1)?.endsWith('59999'), { timeoutMs: 10_000, what: 'the last line' });
  t.ok(log.lines.length < 60_000, `${log.lines.length} lines of 60000`);
});

t.test('a log that is not there yet, or cannot be read, is said once and tried again', async (t) => {
  const log = follow(t, () => undefined);
  await until(() => log.troubles.length > 0, { timeoutMs: 15_000, what: 'the complaint' });
  t.match(log.troubles, [/ENOENT/]);
  mkdirSync(log.file);
  await until(() => log.troubles.length > 1, { timeoutMs: 15_000, what: 'the other complaint' });
  t.match(log.troubles[1], /no regular file/);
  rmdirSync(log.file);
  await until(() => log.troubles.length > 2, { timeoutMs: 15_000, what: 'the first complaint again' });
  writeFileSync(log.file, 'at last\n');
  await log.came('at last');
  // that it can be read is said when all of it was
  await until(() => log.troubles.length > 3, { timeoutMs: 15_000, what: 'the end of the trouble' });
  t.same(log.troubles.slice(3), [undefined]);
});
