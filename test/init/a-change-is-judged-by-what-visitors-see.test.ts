import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { HostFiles } from '../../src/doctor/host-files.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { applyPlan } from '../../src/init/apply-plan.ts';
import { differences } from '../../src/init/ask-sites.ts';
import { emptyRecord } from '../../src/init/install-record.ts';
import type { FileChange } from '../../src/init/nginx-texts.ts';
import { tempFolder } from '../support/temp-folder.ts';

const question = { address: '127.0.0.1', port: 80, tls: false, host: 'shop', path: '/' };

t.test('what failed before may answer as it likes', async (t) => {
  t.same(differences([question], [200], [404]), ['http://shop:80/ answered 200 before, and 404 now']);
  t.same(differences([question], [404], ['ECONNREFUSED']), ['http://shop:80/ answered 404 before, and ECONNREFUSED now']);
  for (const before of [502, 'ECONNREFUSED']) for (const now of [200, 404, 504, 'ECONNRESET']) t.same(differences([question], [before], [now]), [], `${before}, ${now}`);
});

t.test('of a change that nginx refuses nothing stays, and no copy', async (t) => {
  const folder = tempFolder(t, 'gg-refused');
  const [config, site, other] = ['gg/goodgateway.yaml', 'site', 'other'].map((name) => join(folder, name)) as [string, string, string];
  writeFileSync(site, 'before\n');
  writeFileSync(other, 'edited since\n');
  const control = { run: runCommand, files: new HostFiles(), program: '/bin/false', main: '/nginx.conf', master: undefined };
  const changes = [{ file: site, before: 'before\n', after: 'after\n', hunks: [] }];
  const apply = (more: readonly FileChange[]): ReturnType<typeof applyPlan> => applyPlan({ config, record: emptyRecord, changes: [...changes, ...more], questions: [], control });
  t.same(await apply([]), { kind: 'reverted', why: ['nginx -t: '] });
  t.match(await apply([{ file: other, before: 'read\n', after: 'after\n', hunks: [] }]), { kind: 'reverted', why: [/is not what it was when it was read/] });
  t.equal(readFileSync(site, 'utf8'), 'before\n');
  t.same(readdirSync(join(folder, 'gg', 'nginx-before')), []);
});
