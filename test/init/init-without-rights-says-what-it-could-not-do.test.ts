import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { finish } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';

const program = join(import.meta.dirname, '../../src/cli/main.ts');

t.test('as another user than root', async (t) => {
  const folder = tempFolder(t, 'gg-init');
  const [conf, hidden, closed] = [join(folder, 'nginx.conf'), join(folder, 'hidden.conf'), join(folder, 'closed')];
  writeFileSync(conf, `events { }\nhttp {\n  include ${hidden};\n  server { location / { proxy_pass http://127.0.0.1:1; } }\n}\n`);
  writeFileSync(hidden, 'server { location / { proxy_pass http://127.0.0.1:2; } }\n');
  chmodSync(hidden, 0o000);
  mkdirSync(closed, { mode: 0o555 });
  const nobody = isRoot ? ['/usr/bin/setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  const canRun = await finish([...nobody, process.execPath, '-e', `require('fs').accessSync(${JSON.stringify(program)})`], { folder: '/' });
  if (canRun.code !== 0) return void t.pass('skipped', { skip: `nobody may not read ${program}` });
  const asked = await finish(
    [...nobody, process.execPath, '--disable-warning=ExperimentalWarning', program, 'init', '--yes', '--apply', '--nginx-conf', conf, '--config', join(closed, 'gg', 'goodgateway.yaml')],
    { folder: '/' },
  );
  t.equal(asked.code, 1);
  for (const says of [
    /not tested: only root can/,
    /hidden\.conf: this user may not read it/,
    /who listens on which port: only root sees other users' processes/,
    /app-1 +http +127\.0\.0\.1:1/,
    /nothing was written: this user may not write in .*closed\. As root: sudo goodgateway init --yes --apply --nginx-conf /,
  ])
    t.match(asked.output, says);
  t.notOk(existsSync(join(closed, 'gg')));
});
