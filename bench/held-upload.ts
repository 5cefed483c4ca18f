/**
 * A 1 GiB upload that waits while php-fpm is away, and then goes through: how much memory does the proxy need for it?
 * `node bench/held-upload.ts [--mib 1024]`. nginx passes it on unbuffered; it stays with its sender while it is held.
 */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { fastcgiLocation, startNginx } from '../test/support/nginx.ts';
import { preparePhpFpm } from '../test/support/php-fpm.ts';
import { freePort } from '../test/support/ports.ts';
import { start } from '../test/support/program.ts';
import { isRoot } from '../test/support/skip.ts';
import { tempFolder } from '../test/support/temp-folder.ts';
import { until } from '../test/support/until.ts';

const { values } = parseArgs({ options: { mib: { type: 'string', default: '1024' } } });
const size = Number(values.mib) * 2 ** 20;
const heldMs = 3000;
const counts = '<?php $in = fopen("php://input", "r"); $n = 0; while (!feof($in)) $n += strlen(fread($in, 1 << 20)); echo $n;';

const ended: (() => unknown)[] = [];
const scope = { teardown: (run: () => unknown) => ended.push(run) };
try {
  const fpm = await preparePhpFpm(scope, {
    maxChildren: 2,
    scripts: { 'counts.php': counts },
    pool: ['php_admin_value[post_max_size] = 0', 'php_admin_flag[enable_post_data_reading] = off'],
  });
  // the proxy alone: with a healer that may do nothing, nobody would be held
  const folder = tempFolder(scope);
  const [socket, admin, config] = [`unix:${folder}/shop.sock`, await freePort(), join(folder, 'goodgateway.yaml')];
  const shop = { listen: socket, protocol: 'fastcgi', upstream: fpm.address, service: 'php', concurrency: 2, hold: { for: '60s' }, ...(isRoot ? { socket: { group: 'www-data' } } : {}) };
  writeFileSync(config, JSON.stringify({ version: 1, gateways: { shop }, admin: `127.0.0.1:${admin}`, runtime: folder, state: folder, audit: { folder } }));
  const proxy = start([process.execPath, join(import.meta.dirname, '../src/proxy/main.ts'), '--config', config]);
  scope.teardown(() => (process.kill(proxy.pid), proxy.ended));
  const held = async (): Promise<number> => ((await (await fetch(`http://127.0.0.1:${admin}/state`)).json()) as { gateways: { shop: { held: number } } }).gateways.shop.held;
  await until(async () => (await held()) >= 0, { timeoutMs: 15_000, what: () => `the proxy: ${proxy.output()}` });
  const nginx = await startNginx(scope, { server: fastcgiLocation(socket, fpm.docroot, 'fastcgi_request_buffering off;') });
  const file = join(tempFolder(scope), 'upload');
  writeFileSync(file, '');
  truncateSync(file, size);
  await fetch(nginx.url, { method: 'HEAD', headers: { 'user-agent': 'kube-probe' } });
  const before = residentKib(proxy.pid);

  const running = start(['curl', '-sS', '-X', 'POST', '-H', 'Expect:', '-T', file, `${nginx.url}/counts.php`]);
  await until(async () => (await held()) === 1, { timeoutMs: 10_000, what: 'the upload to be held' });
  let [waiting, sent] = [0, 0];
  for (const end = performance.now() + heldMs; performance.now() < end; await pause(50)) waiting = Math.max(waiting, residentKib(proxy.pid) - before);
  await fpm.start();
  const began = performance.now();
  let over = false;
  void running.ended.then(() => (over = true));
  while (!over) {
    sent = Math.max(sent, residentKib(proxy.pid) - before);
    await pause(50);
  }
  const answer = running.output().trim();
  process.stdout.write(
    `an upload of ${size / 2 ** 20} MiB: held for ${heldMs / 1000} s +${(waiting / 1024).toFixed(1)} MiB of resident memory; while it was sent (${((performance.now() - began) / 1000).toFixed(1)} s) +${(sent / 1024).toFixed(1)} MiB; PHP read ${answer} bytes\n`,
  );
  if (Number(answer) !== size) process.exitCode = 1;
} finally {
  for (const end of ended.reverse()) await end();
}

function residentKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}
