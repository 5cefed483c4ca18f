import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { loadDashboard } from '../../src/proxy/admin/dashboard-files.ts';

const folder = join(import.meta.dirname, '../../src/dashboard');
/** From the source, with its comments. What is built is a fifth smaller. */
const mostBytes = 64 * 1024;

t.test('every module is served, found at once, and runs as it is', async (t) => {
  const files = await loadDashboard();
  const modules = [...files].filter(([path]) => path.endsWith('.js'));
  const own = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  const typesOnly = ['app.ts'];
  t.same(
    own.filter((name) => !files.has(`/dashboard/${name.replace('.ts', '.js')}`) && !typesOnly.includes(name)),
    [],
    'a module that nobody imports is not there for nothing',
  );
  const page = String(files.get('/')?.body);
  for (const [path, { body, type }] of modules) {
    t.match(type, /^text\/javascript/);
    t.ok(page.includes(`<link rel="modulepreload" href="${path}">`), `${path} is asked for with the page`);
    for (const [, imported = ''] of String(body).matchAll(/\bfrom '([^']+)'/g)) t.ok(files.has(new URL(imported, `http://x${path}`).pathname), `${path} imports ${imported}`);
  }
});

t.test('nothing becomes markup, and the page has no script or style of its own', async (t) => {
  const files = await loadDashboard();
  for (const [path, { body }] of files) t.notMatch(String(body), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, path);
  t.notMatch(String(files.get('/')?.body), /<style|style=|<script>|\son\w+=/);
});

t.test('it is small, and what is there already is not sent again', async (t) => {
  const files = await loadDashboard();
  const bytes = [...files.values()].reduce((sum, { gzip }) => sum + gzip.length, 0);
  t.ok(bytes < mostBytes, `${bytes} bytes, compressed`);
  for (const [path, { body, gzip, etag }] of files) {
    t.same(gunzipSync(gzip), body, path);
    t.match(etag, /^"[\w-]{27}"$/);
  }
  t.equal(new Set([...files.values()].map(({ etag }) => etag)).size, files.size);
  t.equal(await loadDashboard(), files, 'read once');
});
