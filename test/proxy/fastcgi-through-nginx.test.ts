/** The whole way with the real programs: nginx, our listener, our client, php-fpm 8.2. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { formatAddress, parseAddress, type Address } from '../../src/core/failure.ts';
import { listenFastcgi } from '../../src/proxy/fastcgi-listener.ts';
import type { HandleRequest } from '../../src/proxy/gateway-request.ts';
import { fastcgi } from '../../src/upstream/fastcgi/exchange.ts';
import { liveBytes, watchLiveBytes } from '../fixtures/fastcgi/live-bytes.ts';
import { stdout } from '../fixtures/fastcgi/records.ts';
import { startBackend } from '../fixtures/fastcgi/scripted-backend.ts';
import { fastcgiLocation, startNginx, type Nginx } from '../support/nginx.ts';
import { startPhpFpm } from '../support/php-fpm.ts';
import { echoesTheRequest } from '../support/php-scripts.ts';
import { freePort } from '../support/ports.ts';
import { succeed } from '../support/program.ts';
import { isRoot, needs, programPath } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const limits = { connectTimeoutMs: 20_000, responseTimeoutMs: 20_000, idleTimeoutMs: 20_000 };

/** Attempts each request once and gives nginx what came of it; a failure before the head is a 502 with its kind. */
function passTo(backend: Address): HandleRequest {
  return async (request) => {
    const result = await fastcgi.attempt(request, backend, { ...limits, interim: request.interim });
    if (result.kind === 'client_gone') return undefined;
    if (result.kind === 'response') return { from: 'upstream', head: result.head, body: result.body };
    throw new Error(`${result.failure.kind}: ${result.failure.detail}`);
  };
}

interface Chain {
  readonly t: TestScope;
  readonly kind: 'unix' | 'tcp';
  readonly backend: Address;
  readonly docroot?: string;
  readonly extra?: string;
}

async function nginxBefore({ t, kind, backend, docroot = '/srv', extra = '' }: Chain): Promise<Nginx> {
  const address: Address = kind === 'unix' ? { kind, path: join(tempFolder(t), 'gw.sock') } : { kind, host: '127.0.0.1', port: await freePort() };
  const listener = await listenFastcgi({ address, socket: isRoot ? { group: 'www-data', mode: '0660' } : { mode: '0600' }, handle: passTo(backend) });
  t.teardown(() => listener.close(AbortSignal.abort()));
  return startNginx(t, {
    http: `upstream gateway { server ${formatAddress(address)} max_fails=0; keepalive 4; }`,
    server: fastcgiLocation('gateway', docroot, extra),
  });
}

const scripts = {
  'echo.php': echoesTheRequest,
  'page.php': '<?php header("X-One: 1"); header("X-Many: a"); header("X-Many: b", false); http_response_code(404); echo str_repeat("p", 200000);',
  'moved.php': '<?php header("Location: /there");',
  'complains.php': '<?php file_put_contents("php://stderr", "shop: out of stock"); error_log("logged by php"); echo "ok";',
  'large.php': '<?php for ($i = 0; $i < 1600; $i++) echo str_repeat("l", 65536);',
  'dies.php': '<?php echo str_repeat("d", 100000); flush(); posix_kill(getmypid(), 9);',
};

for (const kind of ['unix', 'tcp'] as const) {
  t.test(`php-fpm answers through nginx and goodgateway over ${kind}, with and without kept connections`, async (t) => {
    if (!needs(t, 'nginx', 'php-fpm8.2')) return;
    const fpm = await startPhpFpm(t, { listen: kind, maxChildren: 2, scripts });
    const backend = parseAddress(fpm.address)!;
    for (const keep of ['on', 'off']) {
      const nginx = await nginxBefore({ t, kind, backend, docroot: fpm.docroot, extra: `fastcgi_keep_conn ${keep};` });
      for (let i = 0; i < 30; i++) {
        const echo = await fetch(`${nginx.url}/echo.php?i=${i}`, i % 2 ? { method: 'POST', body: 'x'.repeat(i * 1000) } : {});
        t.match(await echo.json(), { method: i % 2 ? 'POST' : 'GET', query: `i=${i}`, length: i % 2 ? i * 1000 : 0 }, { diagnostic: false });
      }
      const page = await fetch(`${nginx.url}/page.php`);
      t.same([page.status, page.headers.get('x-one'), page.headers.get('x-many'), (await page.text()).length], [404, '1', 'a, b', 200_000], `keep_conn ${keep}`);
      const moved = await fetch(`${nginx.url}/moved.php`, { redirect: 'manual' });
      t.same([moved.status, moved.headers.get('location')], [302, `/there`]);
      t.equal((await fetch(`${nginx.url}/page.php`, { method: 'HEAD' })).status, 404);
      t.equal(await (await fetch(`${nginx.url}/none.php`)).text(), 'File not found.\n');
    }
  });

  t.test(`50 MB go up and 100 MB come down over ${kind} in flat memory`, async (t) => {
    if (!needs(t, 'nginx', 'php-fpm8.2', 'curl')) return;
    const fpm = await startPhpFpm(t, { listen: kind, maxChildren: 2, scripts, pool: ['php_admin_value[memory_limit] = 256M', 'php_admin_value[post_max_size] = 100M'] });
    const nginx = await nginxBefore({ t, kind, backend: parseAddress(fpm.address)!, docroot: fpm.docroot, extra: 'fastcgi_request_buffering off;' });
    const upload = Buffer.alloc(50 * 2 ** 20, 'upload');
    const file = join(tempFolder(t), 'upload');
    writeFileSync(file, upload);
    const sha1 = createHash('sha1').update(upload).digest('hex');
    const before = liveBytes();
    const watched = watchLiveBytes(t);
    const echoed = await succeed([programPath('curl'), '-sS', '--data-binary', `@${file}`, `${nginx.url}/echo.php`]);
    t.match(JSON.parse(echoed), { length: upload.length, sha1 });
    t.equal(await succeed([programPath('curl'), '-sS', '-o', '/dev/null', '-w', '%{size_download}', `${nginx.url}/large.php`]), String(1600 * 65_536));
    // what is on its way, and read buffers that the collector frees late, come to 2 to 18 MiB; a body kept whole to 50 or 100
    const grown = watched.most() - before;
    t.ok(grown < 32 * 2 ** 20, `grew by ${Math.round(grown / 1024)} KiB`);
  });

  t.test(`a worker that dies inside its answer is visible to the visitor over ${kind}`, async (t) => {
    if (!needs(t, 'nginx', 'php-fpm8.2')) return;
    const fpm = await startPhpFpm(t, { listen: kind, maxChildren: 2, scripts });
    for (const keep of ['on', 'off']) {
      const nginx = await nginxBefore({ t, kind, backend: parseAddress(fpm.address)!, docroot: fpm.docroot, extra: `fastcgi_keep_conn ${keep};` });
      const cut = await fetch(`${nginx.url}/dies.php`);
      t.equal(cut.status, 200);
      await t.rejects(cut.text(), /terminated/, `keep_conn ${keep}`);
      t.match(await (await fetch(`${nginx.url}/echo.php`)).json(), { method: 'GET' }, 'the next request is served');
    }
    // Little enough to be in nginx's buffer as a whole when the end comes.
    const scripted = await startBackend(t, { kind, behave: (socket) => void socket.end(stdout('Content-Type: text/plain\r\n\r\nhalf a p')) });
    const nginx = await nginxBefore({ t, kind, backend: scripted.address });
    await t.rejects(
      fetch(`${nginx.url}/x.php`).then((response) => response.text()),
      'nothing that looks like a page',
    );
  });
}

t.test("what PHP writes to STDERR comes to nginx's error log", async (t) => {
  if (!needs(t, 'nginx', 'php-fpm8.2')) return;
  const fpm = await startPhpFpm(t, { scripts, pool: ['php_admin_value[error_log] =', 'php_admin_flag[log_errors] = on'] });
  const nginx = await nginxBefore({ t, kind: 'unix', backend: parseAddress(fpm.address)!, docroot: fpm.docroot });
  t.equal(await (await fetch(`${nginx.url}/complains.php`)).text(), 'ok');
  await until(() => /FastCGI sent in stderr.*logged by php/.test(nginx.errorLog()), { timeoutMs: 15_000, what: () => `the line: ${nginx.errorLog()}` });
  t.pass('logged by php');
});
