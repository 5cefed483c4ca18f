/**
 * The whole way on real servers, in one scene: a site of nginx and php-fpm, `init`, `run`, a crash that no visitor sees,
 * a second `init`, `uninstall`. On the way what must not work, and must leave nothing behind.
 */
import { readdirSync, readFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { HostFiles } from '../../src/doctor/host-files.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { changeNginx, swapOf } from '../../src/init/change-nginx.ts';
import type { NginxControl } from '../../src/init/reload-nginx.ts';
import { ask } from '../e2e/site.ts';
import { answersHello } from '../support/php-scripts.ts';
import { isRoot, missing, programPath } from '../support/skip.ts';
import { startRealSite, type RealSite } from './real-site.ts';

const skip = missing('nginx', 'php-fpm8.2') || (isRoot ? false : 'needs root: nginx is tested and reloaded');

t.test('a site goes behind goodgateway, survives a crash, and comes back', { skip }, async (t) => {
  const site = await startRealSite(t, { 'index.php': answersHello });
  const before = filesOf(site);
  const name = basename(site.fpm.folder);

  await t.test('a change that nginx refuses, or that a site would feel, goes back by itself', (t) => waysBack(t, site));

  await t.test('while nobody says yes nothing is written', async (t) => {
    const asked = await site.init();
    t.match(asked, { code: 1, output: /nobody is there to ask; with --yes the files are written/ });
    t.match(await site.init('--yes', '--only', `${name},shpo`), { code: 2, output: `--only: no gateway has the name "shpo"; there are ${name}` });
    t.same(filesOf(site), before);
    t.notOk(existsSync(site.config));
  });

  await t.test('init writes, changes nginx, and the site answers as before', async (t) => {
    const done = await site.init('--yes', '--apply', '--act-on-crash');
    t.match(done, { code: 0, output: /nginx: changed, tested, reloaded; its sites answer as before \(2 requests\)/ }, done.output);
    t.match(await ask(`${site.url}/index.php`), { status: 200, text: 'hello' }, 'goodgateway does not even run yet');
  });

  await site.run(`${name}.sock`);
  t.match(await ask(`${site.url}/index.php`), { status: 200, text: 'hello' });

  await t.test('php-fpm is killed, and the next visitor gets his page', async (t) => {
    site.fpm.crash();
    t.match(await ask(`${site.url}/index.php`), { status: 200, text: 'hello' });
    t.equal(site.audit().find(({ event }) => event === 'action.intent')?.['cause'], 'service.crashed');
  });

  await t.test('a second init changes nothing, and leaves what a person has edited', async (t) => {
    const applied = filesOf(site);
    const again = await site.init('--yes', '--apply');
    t.match(again, { code: 0, output: /Everything is as init would make it: nothing was changed/ }, again.output);
    const yaml = readFileSync(site.config, 'utf8');
    writeFileSync(site.config, yaml.replace('idle: 60s', 'idle: 61s'));
    const left = await site.init('--yes', '--apply');
    t.match(left, { code: 1, output: /LEFT {6}.*goodgateway\.yaml[^]*^-.*idle: 61s[^]*^\+.*idle: 60s/m }, left.output);
    t.match(await site.init('--yes', '--json'), { code: 1 }, 'also for programs');
    t.match(readFileSync(site.config, 'utf8'), 'idle: 61s');
    t.match(await site.init('--yes', '--force'), { code: 0 });
    t.match(readFileSync(`${site.config}.before-init`, 'utf8'), 'idle: 61s', 'and keeps it when it is told to write');
    t.equal(readFileSync(site.config, 'utf8'), yaml);
    t.same(filesOf(site), applied);
  });

  await t.test('uninstall takes everything out, also from a file that was edited since', async (t) => {
    writeFileSync(site.siteFile, readFileSync(site.siteFile, 'utf8').replace('server_name _;', 'server_name shop;'));
    const upstream = join(site.folder, 'conf.d', `goodgateway-${name}.conf`);
    const ours = readFileSync(upstream, 'utf8');
    writeFileSync(upstream, ours.replace('max_fails=0;', 'max_fails=0 weight=2;'));
    t.match(await site.goodgateway('uninstall', '--yes'), {
      code: 1,
      output: /Nothing was taken out, and nginx is as it was:\n.*leads to goodgateway by a change that init did not make, or that was edited/,
    });
    t.ok(existsSync(site.config));
    writeFileSync(upstream, ours);
    const broken = join(site.folder, 'conf.d', 'broken.conf');
    writeFileSync(broken, 'no_such_directive on;\n');
    t.match(await site.goodgateway('uninstall', '--yes'), { code: 1, output: /Nothing was taken out, and nginx is as it was:\n {2}nginx -t: .*"no_such_directive"/ }, 'which nginx itself was before');
    t.equal(readFileSync(upstream, 'utf8'), ours);
    rmSync(broken);
    const done = await site.goodgateway('uninstall', '--yes', '--purge', '--units', join(site.folder, 'units'));
    t.match(done, { code: 0, output: /nginx: leads to the backends themselves, reloaded, its sites answer as before/ }, done.output);
    t.match(await ask(`${site.url}/index.php`), { status: 200, text: 'hello' });
    t.match(readFileSync(site.siteFile, 'utf8'), 'server_name shop;');
    writeFileSync(site.siteFile, readFileSync(site.siteFile, 'utf8').replace('server_name shop;', 'server_name _;'));
    t.same(filesOf(site), before, 'byte for byte');
    t.same(readdirSync(join(site.config, '..')), ['goodgateway.yaml.before-init'], 'only what is not of init');
  });

  await t.test('a broken nginx is named, and not touched', async (t) => {
    writeFileSync(join(site.folder, 'conf.d', 'broken.conf'), 'no_such_directive on;\n');
    const broken = filesOf(site);
    const asked = await site.init('--yes', '--apply', '--force');
    t.match(asked, { code: 1, output: /nginx -t FAILS[^]*nginx is as it was:\n {2}nginx is not changed: nginx -t fails already: .*"no_such_directive"/ }, asked.output);
    t.same(filesOf(site), broken);
    t.match(await ask(`${site.url}/index.php`), { status: 200, text: 'hello' });
  });
});

async function waysBack(t: Test, site: RealSite): Promise<void> {
  const { siteFile, nginxConf: main } = site;
  const text = readFileSync(siteFile, 'utf8');
  const master = Number(site.read('nginx.pid'));
  const control: NginxControl = { run: runCommand, files: new HostFiles(), program: programPath('nginx'), main, master };
  const questions = [{ address: '127.0.0.1', port: Number(new URL(site.url).port), tls: false, host: 'localhost', path: '/index.php' }];
  const swap = await swapOf(siteFile, text, text.replace('try_files $uri', 'try_filez $uri'));
  if (typeof swap === 'string') throw new Error(swap);
  t.match(await changeNginx([swap], questions, control), { kind: 'reverted', why: [/nginx -t: [^]*unknown directive "try_filez"/] });
  const other = { ...swap, after: Buffer.from(text.replace('root ', 'rewrite ^ /nowhere.php;\n\troot ')) };
  t.match(await changeNginx([other], questions, control), { kind: 'reverted', why: [/\/index\.php answered 200 before, and 404 now/] });
  t.equal(readFileSync(siteFile, 'utf8'), text);
  t.match(await ask(`${site.url}/index.php`), { status: 200 });
  t.match(await swapOf(siteFile, `${text}#`, text), /is not what it was when it was read/);
}

/** nginx's own files, by name. */
function filesOf({ folder }: RealSite): Readonly<Record<string, string>> {
  const names = ['nginx.conf', ...['conf.d', 'sites-available', 'sites-enabled'].flatMap((sub) => readdirSync(join(folder, sub)).map((name) => join(sub, name)))];
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}
