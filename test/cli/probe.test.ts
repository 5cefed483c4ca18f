/** What `probe` asks and concludes. That it asks real sites is tried in e2e/printed-snippets-work-in-a-real-nginx.test.ts. */
import t from 'tap';
import type { Asked } from '../../src/cli/ask-once.ts';
import { questionFor, wrongWords } from '../../src/cli/probe-question.ts';
import { verdictOn } from '../../src/cli/probe-verdict.ts';
import { gatewaySchema, type GatewayConfig } from '../../src/config/host-schema.ts';
import type { Address, UpstreamFailure } from '../../src/core/failure.ts';
import { nginxFrom, type Nginx } from '../../src/doctor/nginx/passes.ts';
import { parseNginx } from '../../src/doctor/nginx/parse-nginx.ts';

const php = gatewaySchema.parse({ listen: 'unix:/run/goodgateway/shop.sock', protocol: 'fastcgi', upstream: 'unix:/run/php/php8.2-fpm.sock', service: 'php' });
const app = gatewaySchema.parse({ listen: 'unix:/run/goodgateway/app.sock', protocol: 'http', upstream: '127.0.0.1:7080', service: 'app' });
const nginxWith = (...servers: readonly string[]): Nginx => nginxFrom('nginx.conf', parseNginx(`http { ${servers.map((server) => `server { ${server} }`).join('\n')} }`, 'nginx.conf'));
const ask = (config: GatewayConfig, nginx: Nginx | undefined, words: object = {}) => questionFor(config, { options: { path: '/', nginx: 'nginx.conf', ...words }, nginx, timeoutMs: 1 });

t.test('the site is guessed from nginx where one leads to the backend', async (t) => {
  const passes = 'location ~ \\.php$ { fastcgi_pass unix:/var/run/php/php8.2-fpm.sock; }';
  const redirect = 'listen 80; server_name shop.example.com; return 301 https://$host$request_uri;';
  const shop = `listen 443 ssl; server_name *.example.com shop.example.com; root /srv/shop; ${passes}`;
  t.match(ask(php, nginxWith(redirect, shop)), { question: { host: 'shop.example.com', https: true, script: { documentRoot: '/srv/shop', name: '/index.php', file: '/srv/shop/index.php' } } });
  t.match(ask(php, nginxWith(shop), { path: '/a/b.php?x=/y.php', host: 'www' }), { question: { host: 'www', path: '/a/b.php?x=/y.php', script: { name: '/a/b.php' } } });
  const fixed = 'root /srv/shop; location / { fastcgi_param SCRIPT_FILENAME $realpath_root/public$fastcgi_script_name; fastcgi_pass unix:/run/goodgateway/shop.sock; }';
  t.match(ask(php, nginxWith(fixed)), { question: { host: 'localhost', https: false, script: { file: '/srv/shop/public/index.php' } } }, 'also when nginx asks goodgateway already');
  t.match(ask(app, nginxWith('server_name app.example.com; location / { proxy_pass http://localhost:7080; }')), { question: { host: 'app.example.com', script: undefined } });

  const blog = `server_name blog.example.com; root /srv/blog; ${passes}`;
  t.match(
    ask(php, nginxWith(shop, blog)),
    /^Which site\? Several sites lead to unix:\/run\/php\/php8\.2-fpm\.sock: \/srv\/shop \(nginx\.conf:1\), \/srv\/blog \(nginx\.conf:2\): say it with --document-root/,
  );
  t.match(ask(php, nginxWith(`root /srv/$host; ${passes}`)), /^Which site\? No location/, 'a root that only a request tells');
  t.match(ask(php, undefined), /^Which site\? There is no nginx\.conf that this user may read/);
  t.match(ask(php, undefined, { documentRoot: '/srv/x/', script: '/public/index.php' }), { question: { script: { documentRoot: '/srv/x', file: '/srv/x/public/index.php' } } });
});

t.test('words that could end a line of a request, or leave the site, are refused', async (t) => {
  for (const words of [{ path: 'x' }, { path: '/a b' }, { path: '/\r\nX: y' }, { host: 'a\r\nb' }, { host: 'a/b' }, { documentRoot: 'srv' }, { script: 'index.php' }, { script: '/../x.php' }]) {
    const [name = ''] = Object.keys(words);
    t.match(wrongWords({ path: '/', nginx: '', ...words }), new RegExp(`^--${name === 'documentRoot' ? 'document-root' : name}: expected`), JSON.stringify(words));
  }
  t.equal(wrongWords({ path: '/cart?id=1', host: '[::1]:8080', documentRoot: '/srv', script: '/index.php', nginx: '' }), undefined);
});

const address: Address = { kind: 'unix', path: '/run/x.sock' };
const answered = (status: number, headers: Readonly<Record<string, string>> = {}): Asked => ({ kind: 'answered', address, status, headers, body: '', tookMs: 1 });
const page = answered(503, { 'proxy-status': 'goodgateway; error=connection_refused' });
const failed = (errno: string): Asked => {
  const failure: UpstreamFailure = { kind: 'connection_refused', source: 'upstream', phase: 'connect', bytesWritten: 0, bytesRead: 0, resend: 'always', detail: `it failed (${errno})`, errno };
  return { kind: 'failed', address, failure, tookMs: 1 };
};

t.test('what the two answers mean together', async (t) => {
  const cases: readonly (readonly [through: Asked, direct: Asked | undefined, ok: boolean, way: string, sentence: RegExp])[] = [
    [answered(200), answered(200), true, 'backend', /as it does directly: with 200/],
    [answered(500), answered(500), true, 'backend', /as it does directly: with 500/],
    [answered(404), answered(404), true, 'backend', /with 404\. If the page is there: name the file with --document-root/],
    [answered(200), undefined, true, 'backend', /answers through goodgateway/],
    [answered(200), failed('ECONNREFUSED'), true, 'backend', /just now not directly/],
    [answered(502), answered(200), false, 'backend', /answers 200 directly and 502 through goodgateway/],
    [page, failed('ECONNREFUSED'), false, 'goodgateway', /its own page \(connection_refused\): the backend does not answer directly either .* Start it/],
    [page, answered(200), false, 'goodgateway', /while the backend answers 200 directly.*Can the user that the proxy runs as connect/],
    [page, undefined, false, 'goodgateway', /its own page \(connection_refused\)/],
    [failed('ENOENT'), answered(200), false, 'nobody', /There is no unix:\/run\/x\.sock: goodgateway does not run.*Directly the site answers 200.*Start it/],
    [failed('ECONNREFUSED'), undefined, false, 'nobody', /Nobody listens/],
    [failed('EACCES'), undefined, false, 'nobody', /This user may not connect.*gateways\.shop\.socket/],
    [failed('ECONNRESET'), undefined, false, 'nobody', /does it speak fastcgi\?/],
  ];
  for (const [through, direct, ok, way, sentence] of cases) {
    const verdict = verdictOn({ name: 'shop', config: php, through, direct, nginx: undefined });
    t.match({ ...verdict, said: verdict.sentences.join(' ') }, { ok, way, said: sentence });
  }
  const refused = verdictOn({ name: 'shop', config: php, through: answered(200), direct: answered(200), nginx: { user: 'www-data', refused: 'EACCES' } });
  t.match({ ...refused, said: refused.sentences.join(' ') }, { ok: false, said: /But the user www-data of nginx may not connect .* silently use the backend/ });
});
