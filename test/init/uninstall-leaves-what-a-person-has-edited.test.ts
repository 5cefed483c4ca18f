/** What `init` has changed and somebody has edited since: it stays, it is named, and what it needs stays with it. Nothing runs. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { HostFiles } from '../../src/doctor/host-files.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { findBackends } from '../../src/init/find-backends.ts';
import { sha256Of, type InstallRecord, type NginxChange } from '../../src/init/install-record.ts';
import { lookAtMachine } from '../../src/init/look-at-machine.ts';
import { placesByHand, planRemoval, type Removal } from '../../src/init/plan-removal.ts';
import { tempFolder } from '../support/temp-folder.ts';

const block = 'upstream app {\n    server unix:/run/goodgateway/app.sock max_fails=0;\n    server 127.0.0.1:3000 max_fails=0 backup;\n}\n';
const direct = 'server { location / { proxy_pass http://127.0.0.1:3000; } }\n';
const through = direct.replace('127.0.0.1:3000', 'app');

interface Changed {
  readonly name: string;
  readonly before: string | undefined;
  readonly after: string;
  /** What a person has made of it. */
  readonly now?: string;
}

async function removalOf(t: Test, changed: readonly Changed[]): Promise<{ readonly folder: string; readonly removal: Removal; readonly byHand: readonly string[] }> {
  const folder = tempFolder(t, 'gg-removal');
  const main = join(folder, 'nginx.conf');
  writeFileSync(main, `events {}\nhttp {\n    include ${folder}/conf/*;\n}\n`);
  mkdirSync(join(folder, 'conf'));
  const changes = changed.map(({ name, before, after, now = after }): NginxChange => {
    const [file, backup] = [join(folder, 'conf', name), join(folder, `${name}.before`)];
    writeFileSync(file, now);
    if (before !== undefined) writeFileSync(backup, before);
    return { file, backup: before === undefined ? null : backup, after_sha256: sha256Of(after), hunks: [{ from: before ?? '', to: after }] };
  });
  const record: InstallRecord = { version: 1, wrote: [], nginx: { main, changes } };
  const machine = await lookAtMachine({ files: new HostFiles(), run: runCommand, isRoot: false, cpus: 1, nginxFile: main, fpmFiles: [] });
  const removal = await planRemoval(record);
  const passes = findBackends(machine, '/run/goodgateway').backends.flatMap(({ passedAlready }) => passedAlready);
  return { folder, removal, byHand: await placesByHand(passes, removal) };
}

t.test('an edited site is named before its block goes, and its copy stays', async (t) => {
  const now = through.replace('location /', 'location /shop');
  const { folder, removal, byHand } = await removalOf(t, [
    { name: 'a', before: direct, after: through, now },
    { name: 'b', before: direct, after: through },
    { name: 'block', before: undefined, after: block },
  ]);
  t.match(removal.left, [{ file: join(folder, 'conf/a'), why: new RegExp(`it was edited .* as it was: ${folder}/a\\.before`) }]);
  t.same(removal.backups, [join(folder, 'b.before')]);
  t.match(removal.record.nginx?.changes, [{ file: join(folder, 'conf/a'), backup: join(folder, 'a.before') }]);
  t.equal(removal.record.nginx?.changes.length, 1);
  t.same(byHand, [join(folder, 'conf/a')]);
});

t.test('an edited site whose own block becomes what it was is no reason to wait', async (t) => {
  const own = 'upstream app {\n    server 127.0.0.1:3000;\n}\n';
  const site = through.replace('; }', '; proxy_send_timeout 80s; }');
  const { folder, removal, byHand } = await removalOf(t, [
    { name: 'a', before: through, after: site, now: site.replace('80s', '90s') },
    { name: 'block', before: own, after: block },
  ]);
  t.same(
    removal.left.map(({ file }) => file),
    [join(folder, 'conf/a')],
  );
  t.same(byHand, []);
});

t.test('where nothing was edited nothing stays', async (t) => {
  const { removal, byHand } = await removalOf(t, [
    { name: 'a', before: direct, after: through },
    { name: 'block', before: undefined, after: block },
  ]);
  t.match(removal, { left: [], record: { wrote: [], nginx: null } });
  t.equal(removal.backups.length, 1);
  t.same(byHand, []);
});

t.test('a change that is on record and was never made, or a block that is gone, leaves nothing to do', async (t) => {
  const { folder, removal } = await removalOf(t, [
    { name: 'a', before: direct, after: through, now: direct },
    { name: 'block', before: undefined, after: block },
  ]);
  t.same(removal.left, []);
  rmSync(join(folder, 'conf/block'));
  const record: InstallRecord = { version: 1, wrote: [], nginx: { main: '', changes: [{ file: join(folder, 'conf/block'), backup: null, after_sha256: sha256Of(block), hunks: [] }] } };
  t.match(await planRemoval(record), { nginx: [], left: [], record: { nginx: null } });
});
