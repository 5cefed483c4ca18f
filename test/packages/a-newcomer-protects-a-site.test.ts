/**
 * Somebody with a fresh Debian and the README: its commands as they stand, typed one after the other, on a machine of its
 * own with a real systemd and Debian's own nginx, php-fpm and Apache. Then the backend is killed.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { documentedBlocks } from '../support/documented.ts';
import { succeed } from '../support/program.ts';
import { missing } from '../support/skip.ts';
import { bootSystemd, cannotBootSystemd, type Systemd } from '../support/systemd.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { buildDeb, checkout, machineOfItsOwn } from './debian-machine.ts';

const skip = missing('nginx', 'php-fpm8.2', 'apache2', 'dpkg-deb', 'curl') || cannotBootSystemd();

/** The commands of "Protect a site", without their comments. The first one makes the package, which is made here once for all. */
const [makesThePackage, ...typed] = (documentedBlocks('README.md', 'sh').find((block) => block.includes('npm run deb')) ?? '')
  .trim()
  .split('\n')
  .map((line) => line.replace(/ +#.*$/, ''));

const sites = {
  php: {
    before: ['php8.2-fpm.service', 'nginx.service'],
    nginx: 'root /var/www/html; index index.php; location ~ \\.php$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/php8.2-fpm.sock; }',
    files: { '/var/www/html/index.php': "<?php echo $_SERVER['REQUEST_METHOD'], ' hello from ', $_SERVER['REMOTE_ADDR'];" },
    backend: 'php8.2-fpm.service',
    says: 'GET hello from 127.0.0.1',
    // nobody else starts it
    onRecord: /"action":"start".*"event":"action.finished"/,
  },
  apache: {
    before: ['apache2.service', 'nginx.service'],
    nginx: 'location / { proxy_pass http://127.0.0.1:8080; proxy_set_header Host $host; }',
    files: { '/etc/apache2/ports.conf': 'Listen 127.0.0.1:8080\n', '/var/www/html/index.html': 'hello from Apache' },
    backend: 'apache2.service',
    says: 'hello from Apache',
    // Debian's unit starts it again by itself, and goes first
    onRecord: /"event":"incident.opened"/,
  },
} as const;

/** Asks the site until the file `over` is there, and prints how often it answered what. After the first answer there is a file `begun`. */
const visitor = `
const { existsSync, writeFileSync } = require('node:fs');
const { get } = require('node:http');
// as a browser asks for a page: fetch() would say that it is a script's, which waits less
const visit = () => new Promise((resolve) => get('http://127.0.0.1/', { agent: false }, async (answer) => {
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  resolve(answer.statusCode + ' ' + text);
}).once('error', (error) => resolve(String(error))));
const counts = {};
(async () => {
  while (!existsSync('/run/over')) {
    const one = await visit();
    counts[one] = (counts[one] ?? 0) + 1;
    writeFileSync('/run/begun', '');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  console.log(JSON.stringify(counts));
})();`;

t.test('six commands of the README protect a site', { skip, timeout: 200_000 }, async (t) => {
  t.equal(makesThePackage, 'npm ci && npm run deb');
  const project = checkout(t);
  await succeed(['npm', 'run', '--silent', 'build'], { folder: project });
  const deb = await buildDeb(project, { version: '1.0.0', out: tempFolder(t, 'gg-deb') });
  t.jobs = 2;
  for (const [name, site] of Object.entries(sites)) {
    void t.test(`${name} behind nginx`, { buffered: true }, async (t) => {
      const systemd = await bootSystemd(t, { units: {}, wanted: [], ownNetwork: true });
      const shell = (text: string): Promise<string> => systemd.inside(['/bin/bash', '-c', `set -e; cd /root; ${text}`]);
      await freshDebian(systemd, site);
      cpSync(deb, join(systemd.root, 'run/home/goodgateway_1.0.0_amd64.deb'));
      const ask = (): Promise<string> => shell('curl --silent http://127.0.0.1/');
      t.equal(await ask(), site.says, 'a site as it was');

      const began = performance.now();
      for (const command of typed) {
        const { code, output } = await systemd.try(['/bin/bash', '-c', `cd /run/home; ${command}`]);
        t.equal(code, 0, `${command}\n${output}`);
      }
      t.comment(`${typed.length + 1} commands typed; without the first, ${((performance.now() - began) / 1000).toFixed(1)} s`);
      t.equal(await ask(), site.says, 'the same answer');
      t.match(await shell('cat /etc/nginx/sites-enabled/shop /etc/nginx/conf.d/*.conf'), /server unix:\/run\/goodgateway\/.*\.sock max_fails=0;/);

      const visiting = systemd.inside([`${systemd.project}/node_modules/.bin/node`, '-e', visitor]);
      const log = async (): Promise<string> => (await systemd.try(['/usr/bin/goodgateway', 'log', '--json'])).output;
      await shell('while [ ! -e /run/begun ]; do sleep 0.05; done');
      await shell(`systemctl kill -s KILL ${site.backend}`);
      let said = '';
      const isOnRecord = async (): Promise<boolean> => site.onRecord.test((said = await log()));
      await until(isOnRecord, { timeoutMs: 60_000, everyMs: 250, what: () => `the repair to be on record:\n${said.slice(-3000)}` });
      t.equal(await ask(), site.says);
      await shell('touch /run/over');
      const counts = JSON.parse(await visiting) as Readonly<Record<string, number>>;
      t.same(Object.keys(counts), [`200 ${site.says}`], 'no visitor has seen it');
      t.ok((counts[`200 ${site.says}`] ?? 0) > 1, JSON.stringify(counts));
      t.match(await shell('goodgateway audit verify'), /^whole/);

      await shell('goodgateway uninstall --yes');
      t.equal(await ask(), site.says, 'and the way back');
      t.notMatch(await shell('cat /etc/nginx/sites-enabled/shop'), /goodgateway/);
      t.equal(await shell('systemctl list-units --plain --no-legend --state=active "goodgateway*"'), '', 'nothing of it runs');
    });
  }
});

/** The machine's own Debian, with one site. */
async function freshDebian(systemd: Systemd, { nginx, files, before }: (typeof sites)[keyof typeof sites]): Promise<void> {
  await machineOfItsOwn(systemd);
  const write = (path: string, text: string): Promise<string> => systemd.inside(['/bin/sh', '-ec', 'mkdir -p "$(dirname "$1")"; printf %s "$2" > "$1"', 'sh', path, text]);
  await systemd.inside([
    '/bin/sh',
    '-ec',
    'mkdir -p /run/home /run/php /var/www/html; chown www-data /run/php; rm -rf /etc/goodgateway /var/lib/goodgateway /var/log/goodgateway /etc/nginx/sites-enabled/* /etc/nginx/conf.d/* /var/www/html/*; : > /etc/resolv.conf; sed -i "s/:80>/:8080>/" /etc/apache2/sites-enabled/*.conf',
  ]);
  await write('/etc/nginx/sites-enabled/shop', `server {\n  listen 80 default_server;\n  server_name shop.example.com;\n  ${nginx}\n}\n`);
  for (const [path, text] of Object.entries(files)) await write(path, text);
  await systemd.inside(['/usr/bin/systemctl', 'start', ...before]);
}
