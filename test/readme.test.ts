/** What the README shows is what works: its configuration is checked, its snippets run in a real nginx. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fillPolicy } from '../src/config/fill-policy.ts';
import { documentedBlocks, phpPlaces, startDocumentedNginx } from './support/documented.ts';
import { startGoodgateway } from './support/goodgateway.ts';
import { startApache } from './support/apache.ts';
import { startPhpFpm } from './support/php-fpm.ts';
import { answersHello, recordsEachExecution } from './support/php-scripts.ts';
import { finish } from './support/program.ts';
import { missing } from './support/skip.ts';
import { tempFolder } from './support/temp-folder.ts';
import { ask, pidfileService, readyPolicy } from './e2e/site.ts';

const root = join(import.meta.dirname, '..');
const blocks = (language: string): readonly string[] => documentedBlocks('README.md', language);

t.test('goodgateway.yaml and the policies of the README pass the check', async (t) => {
  const folder = tempFolder(t);
  const [host = '', policy = '', processService = ''] = blocks('yaml');
  mkdirSync(join(folder, 'policies.d'));
  writeFileSync(join(folder, 'goodgateway.yaml'), host);
  writeFileSync(join(folder, 'policies.d', 'php-fpm.yaml'), policy);
  const check = await finish([process.execPath, join(root, 'src/cli/main.ts'), 'check', '--config', join(folder, 'goodgateway.yaml')]);
  t.match(check, { code: 0 }, check.output);
  writeFileSync(join(folder, 'policies.d', 'php-fpm.yaml'), `version: 1\nname: php-fpm\nmode: observe\n${processService}`);
  const again = await finish([process.execPath, join(root, 'src/cli/main.ts'), 'check', '--config', join(folder, 'goodgateway.yaml')]);
  t.match(again, { code: 0 }, again.output);
});

const lines = (file: string): number => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);

t.test('the FastCGI snippet works, with goodgateway and without', { skip: missing('nginx', 'php-fpm8.2') }, async (t) => {
  const fpm = await startPhpFpm(t, { scripts: { 'hello.php': answersHello } });
  const executions = join(fpm.data, 'executions');
  writeFileSync(join(fpm.docroot, 'slow.php'), recordsEachExecution(executions, 3000));
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ shop: { listen: `unix:${folder}/shop.sock`, socket: { group: 'www-data' }, protocol: 'fastcgi', upstream: fpm.address, service: 'php-fpm' } }),
    policies: [readyPolicy('php-fpm.yaml', { service: pidfileService(fpm) })],
  });
  const places = { 'unix:/run/goodgateway/shop.sock': `unix:${gateway.folder}/shop.sock`, 'unix:/run/php/php8.2-fpm.sock': fpm.address, ...phpPlaces(fpm.docroot) };
  const nginx = await startDocumentedNginx(t, blocks('nginx')[0] ?? '', places);
  t.match(await ask(`${nginx.url}/hello.php`), { status: 200, text: 'hello' });
  t.equal((await gateway.state('shop'))['total'] && JSON.stringify((await gateway.state('shop'))['total']).includes('"completed":1'), true, 'through goodgateway');

  const impatient = await startDocumentedNginx(t, blocks('nginx')[0] ?? '', { ...places, 'fastcgi_read_timeout 320s;': 'fastcgi_read_timeout 1s;' });
  t.match(await ask(`${impatient.url}/slow.php`), { status: 504 }, "a page slower than nginx's patience");
  t.equal(lines(executions), 1, 'is executed once');
  t.match(await ask(`${impatient.url}/hello.php`), { status: 200, text: 'hello' }, 'and the next request is served');

  await gateway.stop();
  t.match(await ask(`${nginx.url}/hello.php`), { status: 200, text: 'hello' });
  t.match(await ask(`${nginx.url}/hello.php`, { method: 'POST', body: 'x' }), { status: 200, text: 'hello' });
});

t.test('the HTTP snippet works, with goodgateway and without', { skip: missing('nginx', 'apache2') }, async (t) => {
  const apache = await startApache(t);
  writeFileSync(join(apache.folder, 'cgi-bin', 'slow'), `#!/bin/sh\necho slow >> '${apache.executions}'\nsleep 3\nprintf 'Content-Type: text/plain\\r\\n\\r\\nslow'\n`, { mode: 0o755 });
  const policy = fillPolicy(readFileSync(join(root, 'policies/http-app.yaml'), 'utf8'), [{ path: ['service'], value: { type: 'external' } }]);
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ app: { listen: `unix:${folder}/app.sock`, socket: { group: 'www-data' }, protocol: 'http', upstream: apache.address, service: 'http-app' } }),
    policies: [policy],
  });
  const places = { 'unix:/run/goodgateway/app.sock': `unix:${gateway.folder}/app.sock`, '127.0.0.1:7080': apache.address };
  const nginx = await startDocumentedNginx(t, blocks('nginx')[1] ?? '', places);
  t.match(await ask(nginx.url), { status: 200, text: 'hello' });

  const impatient = await startDocumentedNginx(t, blocks('nginx')[1] ?? '', { ...places, 'proxy_read_timeout 320s;': 'proxy_read_timeout 1s;' });
  t.match(await ask(`${impatient.url}/cgi-bin/slow`), { status: 504 }, "a page slower than nginx's patience");
  t.equal(lines(apache.executions), 1, 'is executed once');
  t.match(await ask(impatient.url), { status: 200, text: 'hello' }, 'and the next request is served');

  await gateway.stop();
  t.match(await ask(nginx.url), { status: 200, text: 'hello' });
  t.match(await ask(`${nginx.url}/cgi-bin/record?id=1`, { method: 'POST', body: 'x' }), { status: 200, text: '1' });
});
