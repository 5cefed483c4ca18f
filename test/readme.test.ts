/** What the README shows is what works: its configuration is checked, its snippets run in a real nginx. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fillPolicy } from '../src/config/fill-policy.ts';
import { startGoodgateway } from './support/goodgateway.ts';
import { startApache } from './support/apache.ts';
import { startNginx } from './support/nginx.ts';
import { startPhpFpm } from './support/php-fpm.ts';
import { answersHello } from './support/php-scripts.ts';
import { finish } from './support/program.ts';
import { missing } from './support/skip.ts';
import { tempFolder } from './support/temp-folder.ts';
import { ask, pidfileService, readyPolicy } from './e2e/site.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The code blocks of one language, without the indentation of a list around them. */
function blocks(language: string): readonly string[] {
  return [...readme.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\`$`, 'gm'))].map(([, indent = '', text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
}

/** One of the README's nginx blocks as the test's nginx takes it: its upstream, and the inside of its server without the port. */
function nginxParts(block: string, replace: Readonly<Record<string, string>>): { readonly http: string; readonly server: string } {
  let text = block;
  for (const [from, to] of Object.entries({ 'listen 80;': '', ...replace })) {
    if (!text.includes(from)) throw new Error(`the README does not show ${from} any more`);
    text = text.replaceAll(from, to);
  }
  const [http = '', server = ''] = text.split(/^server \{$/m);
  return { http, server: server.slice(0, server.lastIndexOf('}')) };
}

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

t.test('the FastCGI snippet works, with goodgateway and without', { skip: missing('nginx', 'php-fpm8.2') }, async (t) => {
  const fpm = await startPhpFpm(t, { scripts: { 'hello.php': answersHello } });
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ shop: { listen: `unix:${folder}/shop.sock`, socket: { group: 'www-data' }, protocol: 'fastcgi', upstream: fpm.address, service: 'php-fpm' } }),
    policies: [readyPolicy('php-fpm.yaml', { service: pidfileService(fpm) })],
  });
  const nginx = await startNginx(
    t,
    nginxParts(blocks('nginx')[0] ?? '', {
      'unix:/run/goodgateway/shop.sock': `unix:${gateway.folder}/shop.sock`,
      'unix:/run/php/php8.2-fpm.sock': fpm.address,
      'root /var/www/html;': '',
      $document_root: fpm.docroot,
      'include fastcgi_params;': 'include /etc/nginx/fastcgi_params;',
    }),
  );
  t.match(await ask(`${nginx.url}/hello.php`), { status: 200, text: 'hello' });
  t.equal((await gateway.state('shop'))['total'] && JSON.stringify((await gateway.state('shop'))['total']).includes('"completed":1'), true, 'through goodgateway');
  await gateway.stop();
  t.match(await ask(`${nginx.url}/hello.php`), { status: 200, text: 'hello' });
  t.match(await ask(`${nginx.url}/hello.php`, { method: 'POST', body: 'x' }), { status: 200, text: 'hello' });
});

t.test('the HTTP snippet works, with goodgateway and without', { skip: missing('nginx', 'apache2') }, async (t) => {
  const apache = await startApache(t);
  const policy = fillPolicy(readFileSync(join(root, 'policies/http-app.yaml'), 'utf8'), [{ path: ['service'], value: { type: 'external' } }]);
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ app: { listen: `unix:${folder}/app.sock`, socket: { group: 'www-data' }, protocol: 'http', upstream: apache.address, service: 'http-app' } }),
    policies: [policy],
  });
  const nginx = await startNginx(t, nginxParts(blocks('nginx')[1] ?? '', { 'unix:/run/goodgateway/app.sock': `unix:${gateway.folder}/app.sock`, '127.0.0.1:7080': apache.address }));
  t.match(await ask(nginx.url), { status: 200, text: 'hello' });
  await gateway.stop();
  t.match(await ask(nginx.url), { status: 200, text: 'hello' });
});
