import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { listAuditFiles, readLines } from '../../../src/healer/audit/files.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const name = 'audit-20261122-01.jsonl';
const content = `{"a":1}\n\n${'x'.repeat(200_000)}\nhalf a line`;
const read = async (path: string) => {
  const lines = [];
  for await (const line of readLines(path)) lines.push({ ...line, bytes: line.bytes.toString() });
  return lines;
};

t.test('lines, numbers and offsets are those of the plain file', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, name);
  writeFileSync(path, content);
  const plain = await read(path);
  t.match(plain, [{ bytes: '{"a":1}\n', number: 1, end: 8 }, { bytes: '\n', number: 2, end: 9 }, { end: 200_010 }, { bytes: 'half a line', complete: false, end: content.length }]);
  writeFileSync(`${path}.gz`, gzipSync(content));
  t.match(await listAuditFiles(folder), [{ name }], 'both are there: the plain one counts, once');
  rmSync(path);
  t.match(await listAuditFiles(folder), [{ name: `${name}.gz`, day: '20261122', number: 1 }]);
  t.same(await read(`${path}.gz`), plain);
  t.same(await read(path), plain, 'also where it was listed before it was compressed');
});

t.test('plain and compressed files stand in the order of their days and numbers', async (t) => {
  const folder = tempFolder(t);
  const names = ['audit-20261121-01.jsonl.gz', 'audit-20261122-02.jsonl.gz', 'audit-20261122-10.jsonl', 'audit-20261122-100.jsonl.gz', 'audit-20261123-01.jsonl'];
  for (const each of [...names, 'audit-20261123-02.jsonl.gz.part', 'audit-20261123-01.jsonl.torn']) writeFileSync(join(folder, each), '');
  t.same(
    (await listAuditFiles(folder)).map((file) => file.name),
    names,
  );
});

t.test('a file that is nowhere, and one that is damaged, are errors', async (t) => {
  const path = join(tempFolder(t), name);
  await t.rejects(read(path), { code: 'ENOENT', path });
  writeFileSync(`${path}.gz`, gzipSync(content));
  truncateSync(`${path}.gz`, readFileSync(`${path}.gz`).length - 5);
  await t.rejects(read(path), { code: 'Z_BUF_ERROR' });
});
