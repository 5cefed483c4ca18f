import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { listAuditFiles } from '../../../src/healer/audit/files.ts';
import { verifyAuditFolder } from '../../../src/healer/audit/verify-audit-folder.ts';
import { append, crashEvents, openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';

const first = 'audit-20261122-01.jsonl';
const second = 'audit-20261123-01.jsonl';
const third = 'audit-20261124-01.jsonl';

/** Three days with seven records each. */
async function threeDays(t: TestScope): Promise<string> {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const log = await openStory(folder, clock);
  for (let day = 0; day < 3; day++) {
    await append(log, clock, crashEvents());
    clock.now += 86_400_000;
  }
  await log.close();
  return folder;
}

const verify = async (folder: string) => verifyAuditFolder(await listAuditFiles(folder));

/** Changes the lines of one file, each with its newline. */
function edit(folder: string, name: string, change: (lines: string[]) => readonly string[]): void {
  const path = join(folder, name);
  writeFileSync(path, change(readFileSync(path, 'utf8').split(/(?<=\n)/)).join(''));
}

t.test('a log that nobody touched verifies, and says where it begins and ends', async (t) => {
  const found = await verify(await threeDays(t));
  t.match(found, { ok: true, records: 21, files: 3, firstSeq: 1, head: { seq: 21, file: third, hash: /^[0-9a-f]{64}$/ } });
  t.equal(found.firstBad, undefined);
});

const swap = (lines: string[], a: number, b: number) => lines.map((line, i) => lines[i === a ? b : i === b ? a : i] ?? line);
const scenes: readonly { what: string; tamper: (folder: string) => void; bad: object }[] = [
  { what: 'one changed letter', tamper: (f) => edit(f, second, (l) => l.map((x, i) => (i === 2 ? x.replace('signal 9', 'signal 6') : x))), bad: { what: 'edited', file: second, line: 4, seq: 11 } },
  {
    what: 'a blank that changes no meaning',
    tamper: (f) => edit(f, second, (l) => l.map((x, i) => (i === 2 ? x.replace('","', '", "') : x))),
    bad: { what: 'edited', file: second, line: 4, seq: 11 },
  },
  {
    what: 'a change in the last line of a day',
    tamper: (f) => edit(f, first, (l) => l.map((x, i) => (i === 6 ? x.replace('web1', 'web2') : x))),
    bad: { what: 'edited', file: second, line: 1, seq: 8 },
  },
  { what: 'a changed link', tamper: (f) => edit(f, first, (l) => l.map((x, i) => (i === 0 ? x.replace('000000', '100000') : x))), bad: { what: 'edited', file: first, line: 1, seq: 1 } },
  { what: 'a removed line', tamper: (f) => edit(f, second, (l) => l.toSpliced(2, 1)), bad: { what: 'missing', file: second, line: 3, seq: 11, text: /1 record is missing|1 record is/ } },
  { what: 'a removed first line of a day', tamper: (f) => edit(f, second, (l) => l.toSpliced(0, 1)), bad: { what: 'missing', file: second, line: 1, seq: 9 } },
  { what: 'a removed file in the middle', tamper: (f) => rmSync(join(f, second)), bad: { what: 'missing', file: third, line: 1, seq: 15, text: /follows record 7: 7 records are/ } },
  { what: 'an end that was cut off a file in the middle', tamper: (f) => edit(f, second, (l) => l.slice(0, -2)), bad: { what: 'missing', file: third, line: 1, seq: 15 } },
  { what: 'a copied line', tamper: (f) => edit(f, second, (l) => l.toSpliced(3, 0, l[2] ?? '')), bad: { what: 'reordered', file: second, line: 4, seq: 10 } },
  { what: 'two lines that changed places', tamper: (f) => edit(f, second, (l) => swap(l, 2, 3)), bad: { what: 'missing', file: second, line: 3, seq: 11 } },
  {
    what: 'a line with its number made to fit',
    tamper: (f) => edit(f, second, (l) => l.toSpliced(2, 1).map((x, i) => (i >= 2 ? x.replace(/"seq":(\d+)/, (_, n) => `"seq":${n - 1}`) : x))),
    bad: { what: 'edited', file: second, line: 3, seq: 10 },
  },
  { what: 'something between the lines', tamper: (f) => edit(f, second, (l) => l.toSpliced(3, 0, 'nothing to see here\n')), bad: { what: 'unreadable', file: second, line: 4, seq: 11 } },
  { what: 'an empty line', tamper: (f) => appendFileSync(join(f, third), '\n'), bad: { what: 'unreadable', file: third, line: 8, seq: 22 } },
  { what: 'a line longer than any record', tamper: (f) => appendFileSync(join(f, third), `${'x'.repeat(3_000_000)}\n`), bad: { what: 'unreadable', file: third, line: 8, seq: 22 } },
  {
    what: 'a torn end',
    tamper: (f) => {
      const path = join(f, third);
      truncateSync(path, readFileSync(path).length - 9);
    },
    bad: { what: 'torn', file: third, line: 7, seq: 21 },
  },
  {
    what: 'a torn end of an older file',
    tamper: (f) => {
      const path = join(f, first);
      truncateSync(path, readFileSync(path).length - 1);
    },
    bad: { what: 'torn', file: first, line: 7, seq: 7 },
  },
];
for (const { what, tamper, bad } of scenes) {
  t.test(`found: ${what}`, async (t) => {
    const folder = await threeDays(t);
    tamper(folder);
    const found = await verify(folder);
    t.equal(found.ok, false);
    t.match(found.firstBad, bad);
  });
}

t.test('what the chain alone cannot see: a clean cut at the end; the noted head shows it', async (t) => {
  const folder = await threeDays(t);
  const noted = await verify(folder);
  edit(folder, third, (lines) => lines.slice(0, -3));
  const found = await verify(folder);
  t.match(found, { ok: true, records: 18 }, 'honest: the chain is whole');
  t.not(found.head?.hash, noted.head?.hash);
  t.ok((found.head?.seq ?? 0) < (noted.head?.seq ?? 0), 'but it ends before the record that was noted down');
});

t.test('old files that are gone are no break, but it is told where the log begins', async (t) => {
  const folder = await threeDays(t);
  rmSync(join(folder, first));
  t.match(await verify(folder), { ok: true, records: 14, firstSeq: 8 });
});
