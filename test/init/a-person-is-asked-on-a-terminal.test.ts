import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startInTerminal } from '../support/pseudo-terminal.ts';
import { missing } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { debianNginx, lookAt, php, systemd } from './machines.ts';

const program = join(import.meta.dirname, '../../src/cli/main.ts');

t.test('each question waits for its answer, and what is answered is done', { skip: missing('script') }, async (t) => {
  const site = 'server { listen 80; root /var/www/html; location ~ \\.php$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/php8.2-fpm.sock; } }';
  const { folder } = await lookAt(t, { ...debianNginx({ shop: site }), ...php('8.2'), ...systemd });
  const terminal = startInTerminal(t, [process.execPath, '--disable-warning=ExperimentalWarning', program, 'init', '--root', folder], { columns: 200, rows: 200 });
  const asked = (question: RegExp): Promise<unknown> => until(() => question.test(terminal.written()), { timeoutMs: 20_000, what: () => `${question}: ${terminal.written()}` });
  await asked(/Start a service by itself when it has crashed\?.* \[y\/N\] /);
  terminal.type('y\r');
  await asked(/Write these files\? \[Y\/n\] /);
  terminal.type('\r');
  t.match(await terminal.ended, { code: 0 });
  t.match(terminal.written(), /Next\r?\n/);
  t.match(readFileSync(join(folder, 'etc/goodgateway/policies.d/php8.2-fpm.yaml'), 'utf8'), /^mode: act$/m);
  t.match(readFileSync(join(folder, 'etc/goodgateway/goodgateway.yaml'), 'utf8'), /php8\.2/);
});
