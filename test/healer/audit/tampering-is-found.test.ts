import { appendFileSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { listAuditFiles } from '../../../src/healer/audit/files.ts';
import { verifyAuditFolder } from '../../../src/healer/audit/verify-audit-folder.ts';
import { append, crashEvents, openStory, StoryClock } from '../../fixtures/audit/story.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';

const first = 'audit-20261122-01.jsonl';
const second = 'audit-20261123-01.jsonl';
const third = 'audit-20261124-01.jsonl';

type Form = 'plain' | 'compressed';

/** Three days with seven records each; the second and third file begin with the record that seals the one before. */
async function threeDays(t: TestScope, form: Form = 'plain'): Promise<string> {
  const folder = tempFolder(t);
  const clock = new StoryClock();
  const log = await openStory(folder, clock);
  for (let day = 0; day < 3; day++) {
    await append(log, clock, crashEvents());
    clock.now += 86_400_000;
  }
  await log.close();
  for (const name of [first, second]) bring(join(folder, name), form);
  return folder;
}

/** The log compresses by itself, but when is its own matter. */
function bring(path: string, form: Form): void {
  const content = read(path);
  for (const each of [path, `${path}.gz`]) rmSync(each, { force: true });
  if (form === 'plain') writeFileSync(path, content);
  else writeFileSync(`${path}.gz`, gzipSync(content));
}

function read(path: string): Buffer {
  return existsSync(path) ? readFileSync(path) : gunzipSync(readFileSync(`${path}.gz`));
}

function write(path: string, content: string | Buffer): void {
  if (existsSync(path)) writeFileSync(path, content);
  else writeFileSync(`${path}.gz`, gzipSync(content));
}

const verify = async (folder: string) => verifyAuditFolder(await listAuditFiles(folder));

/** Changes the lines of one file, each with its newline. */
function edit(folder: string, name: string, change: (lines: string[]) => readonly string[]): void {
  const path = join(folder, name);
  write(
    path,
    change(
      read(path)
        .toString()
        .split(/(?<=\n)/),
    ).join(''),
  );
}

t.test('a log that nobody touched verifies, and says where it begins and ends', async (t) => {
  const found = await verify(await threeDays(t));
  t.match(found, { ok: true, records: 23, files: 3, firstSeq: 1, head: { seq: 23, file: third, hash: /^[0-9a-f]{64}$/ } });
  t.equal(found.firstBad, undefined);
});

const swap = (lines: string[], a: number, b: number) => lines.map((line, i) => lines[i === a ? b : i === b ? a : i] ?? line);
const scenes: readonly { what: string; tamper: (folder: string) => void; bad: { readonly file: string; readonly [field: string]: unknown } }[] = [
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
  {
    what: 'a removed file in the middle',
    tamper: (f) => [second, `${second}.gz`].forEach((name) => rmSync(join(f, name), { force: true })),
    bad: { what: 'missing', file: third, line: 1, seq: 16, text: /follows record 7: 8 records are/ },
  },
  { what: 'an end that was cut off a file in the middle', tamper: (f) => edit(f, second, (l) => l.slice(0, -2)), bad: { what: 'missing', file: third, line: 1, seq: 16 } },
  { what: 'a copied line', tamper: (f) => edit(f, second, (l) => l.toSpliced(3, 0, l[2] ?? '')), bad: { what: 'reordered', file: second, line: 4, seq: 10 } },
  { what: 'two lines that changed places', tamper: (f) => edit(f, second, (l) => swap(l, 2, 3)), bad: { what: 'missing', file: second, line: 3, seq: 11 } },
  {
    what: 'a line with its number made to fit',
    tamper: (f) => edit(f, second, (l) => l.toSpliced(2, 1).map((x, i) => (i >= 2 ? x.replace(/"seq":(\d+)/, (_, n) => `"seq":${n - 1}`) : x))),
    bad: { what: 'edited', file: second, line: 3, seq: 10 },
  },
  { what: 'something between the lines', tamper: (f) => edit(f, second, (l) => l.toSpliced(3, 0, 'nothing to see here\n')), bad: { what: 'unreadable', file: second, line: 4, seq: 11 } },
  { what: 'an empty line', tamper: (f) => appendFileSync(join(f, third), '\n'), bad: { what: 'unreadable', file: third, line: 9, seq: 24 } },
  { what: 'a line longer than any record', tamper: (f) => appendFileSync(join(f, third), `${'x'.repeat(3_000_000)}\n`), bad: { what: 'unreadable', file: third, line: 9, seq: 24 } },
  {
    what: 'a torn end',
    tamper: (f) => {
      const path = join(f, third);
      truncateSync(path, readFileSync(path).length - 9);
    },
    bad: { what: 'torn', file: third, line: 8, seq: 23 },
  },
  {
    what: 'a torn end of an older file',
    tamper: (f) => {
      const path = join(f, first);
      write(path, read(path).subarray(0, -1));
    },
    bad: { what: 'torn', file: first, line: 7, seq: 7 },
  },
];
for (const form of ['plain', 'compressed'] as const) {
  for (const { what, tamper, bad } of scenes) {
    t.test(`found, in ${form} files: ${what}`, async (t) => {
      const folder = await threeDays(t, form);
      tamper(folder);
      const { ok, firstBad } = await verify(folder);
      t.equal(ok, false);
      t.match({ ...firstBad, file: firstBad?.file.replace('.gz', '') }, bad);
      t.equal(firstBad?.file, form === 'plain' || bad.file === third ? bad.file : `${bad.file}.gz`);
    });
  }
}

for (const [what, tamper] of [
  ['a changed byte', (bytes: Buffer) => bytes.fill(255, bytes.length - 40, bytes.length - 39)],
  ['an end that is missing', (bytes: Buffer) => bytes.subarray(0, -20)],
  ['something that was never compressed', () => Buffer.from('{}\n')],
] as const) {
  t.test(`found, in the bytes of a compressed file: ${what}`, async (t) => {
    const folder = await threeDays(t, 'compressed');
    const path = join(folder, `${second}.gz`);
    writeFileSync(path, tamper(readFileSync(path)));
    t.match(await verify(folder), { ok: false, firstBad: { what: 'damaged', file: `${second}.gz` } });
  });
}

t.test('a clean cut at the end: the chain alone cannot see it, what was noted outside shows it', async (t) => {
  const folder = await threeDays(t);
  const { head } = await verify(folder);
  const noted = head ?? { seq: 0, hash: '' };
  const files = await listAuditFiles(folder);
  t.match(await verifyAuditFolder(files, [noted]), { ok: true, outside: { fit: 1, gone: 0 } });
  edit(folder, third, (lines) => lines.slice(0, -3));
  t.match(await verify(folder), { ok: true, records: 20 }, 'honest: the chain is whole');
  t.match(await verifyAuditFolder(files, [noted]), { ok: false, firstBad: { what: 'truncated', file: third, line: 6, seq: 21, text: /ends with record 20, but record 23 was noted/ } });
});

t.test('a history that was written anew, with every hash made to fit, does not fit what was noted outside', async (t) => {
  const folder = await threeDays(t);
  const { head } = await verify(folder);
  const noted = head ?? { seq: 0, hash: '' };
  const forged = tempFolder(t);
  const clock = new StoryClock();
  const log = await openStory(forged, clock);
  for (let day = 0; day < 3; day++) {
    await append(
      log,
      clock,
      crashEvents().map((event) => (day === 1 ? { ...event, text: 'nothing happened' } : event)),
    );
    clock.now += 86_400_000;
  }
  await log.close();
  const files = await listAuditFiles(forged);
  t.match(await verifyAuditFolder(files), { ok: true, records: 23 }, 'root can do that');
  const found = await verifyAuditFolder(files, [
    { seq: 7, hash: (await verifyAuditFolder(files.slice(0, 1))).head?.hash ?? '' },
    { ...noted, hash: noted.hash.slice(0, 12) },
  ]);
  t.match(found, { ok: false, outside: { fit: 1 }, firstBad: { what: 'rewritten', file: third, line: 8, seq: 23 } });
});

t.test('old files that are gone are no break, but it is told where the log begins', async (t) => {
  const folder = await threeDays(t);
  const before = (await verifyAuditFolder((await listAuditFiles(folder)).slice(0, 1))).head ?? { seq: 0, hash: '' };
  rmSync(join(folder, first));
  t.match(await verify(folder), { ok: true, records: 16, firstSeq: 8 });
  const files = await listAuditFiles(folder);
  const noted = [before, { seq: 3, hash: 'a'.repeat(64) }];
  t.match(await verifyAuditFolder(files, noted), { ok: true, outside: { fit: 1, gone: 1 } }, 'the first line still carries the hash of the last one that is gone');
  t.match(await verifyAuditFolder(files, [{ seq: 7, hash: 'b'.repeat(64) }]), { ok: false, firstBad: { what: 'rewritten', seq: 7 } });
});
