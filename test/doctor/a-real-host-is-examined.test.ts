/**
 * The clean host of {@link writeConfigurations} with its real nginx, php-fpm and goodgateway, in namespaces of its own:
 * the same files, at their real places, over those of the machine. It has no finding; then three troubles are planted.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { documentedBlocks } from '../support/documented.ts';
import { finish } from '../support/program.ts';
import { isRoot, missing } from '../support/skip.ts';
import { writeConfigurations } from './stack.ts';

const project = join(import.meta.dirname, '..', '..');
const skip = isRoot ? missing('nginx', 'php-fpm8.2', 'ip') : 'needs root, for namespaces';

const script = `
set -eu
cd /
mount --make-rprivate /
for place in nginx php hosts resolv.conf systemd/system; do
  if [ -e "/etc/$place" ]; then mount --bind "$folder/etc/$place" "/etc/$place"; fi
done
for place in /run /var/log /var/lib; do mount -t tmpfs tmpfs "$place"; done
mkdir -p /run/php /run/goodgateway /var/log/nginx /var/lib/nginx /var/lib/php
ip link set lo up
php-fpm8.2 --fpm-config /etc/php/8.2/fpm/php-fpm.conf --daemonize
nginx
$goodgateway run --config "$config" > "$folder/run.log" 2>&1 &
for try in $(seq 1200); do
  if [ -S /run/goodgateway/app.sock ] && [ -S /run/goodgateway/shop.sock ]; then break; fi
  sleep 0.05
done
ask() {
  name=$1; shift
  code=0
  "$@" > "$folder/$name.out" 2> "$folder/$name.err" || code=$?
  echo "$code" > "$folder/$name.code"
}
ask clean $goodgateway doctor --config "$config" --json
sed -i 's/fastcgi_read_timeout 320s/fastcgi_read_timeout 30s/' /etc/nginx/sites-enabled/shop
chmod 0600 /run/goodgateway/app.sock
chown root /run/goodgateway/app.sock
iptables -A INPUT -p tcp --dport 7080 -j REJECT
ask planted $goodgateway doctor --config "$config"
chmod -R go+rX "$folder/etc/goodgateway"
ask briefly $goodgateway doctor --config "$config" --quiet
ask wrong $goodgateway doctor --only nonsense
ask nobody setpriv --reuid=65534 --regid=65534 --clear-groups $goodgateway doctor --config "$config" --only configuration,port --json --no-state
`;

t.test('the commands of docs/doctor.md are those that are run here', async (t) => {
  const run = [...script.matchAll(/goodgateway (doctor .*)/g)].map(([, words = '']) => words.replace(' --config "$config"', ''));
  const shown = [...documentedBlocks('docs/doctor.md', 'sh'), ...documentedBlocks('docs/doctor.md', 'ini')].join('\n').matchAll(/goodgateway (doctor[^#\n]*)/g);
  t.same(
    [...shown].map(([, words = '']) => words.trim()).filter((words) => !run.includes(words)),
    [],
  );
});

interface Asked {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

t.test('real servers', { skip }, async (t) => {
  const folder = await writeConfigurations(t);
  // without name servers none is silent, in a network of its own
  writeFileSync(join(folder, 'etc/resolv.conf'), '');
  const config = join(folder, 'etc/goodgateway/goodgateway.yaml');
  const environment = { folder, config, goodgateway: `${process.execPath} --disable-warning=ExperimentalWarning ${join(project, 'src/cli/main.ts')}`, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  const scene = await finish(['/usr/bin/unshare', '--mount', '--pid', '--net', '--fork', '--kill-child=KILL', '--mount-proc', '/bin/sh', '-c', script], { environment, timeoutMs: 180_000 });
  t.equal(scene.code, 0, scene.output);
  const asked = (name: string): Asked => {
    const read = (end: string): string => readFileSync(join(folder, `${name}.${end}`), 'utf8');
    return { out: read('out'), err: read('err'), code: Number(read('code')) };
  };
  const clean = asked('clean');
  const { findings, ...rest } = JSON.parse(clean.out) as { readonly findings: readonly { readonly id: string }[]; readonly unseen: readonly { readonly subject: string }[] };
  // the disks are those of the machine
  t.same(
    findings.filter(({ id }) => !/^disk-|^inodes-/.test(id)),
    [],
    readFileSync(join(folder, 'run.log'), 'utf8'),
  );
  t.match(rest, { checked_at: /^\d{4}-/, changes: null });
  t.ok(rest.unseen.some(({ subject }) => subject === 'slowest pages, largest headers'));
  t.notOk(
    rest.unseen.some(({ subject }) => subject === 'firewall rules'),
    'root sees the rules of the firewall',
  );
  t.equal(clean.code, findings.length === 0 ? 0 : 1);

  const planted = asked('planted');
  t.equal(planted.code, 1);
  const ids = ['nginx-read-timeout: location ~ \\.php$ of shop.example.com', 'socket-refused: /run/goodgateway/app.sock', 'port-blocked: 127.0.0.1:7080'];
  for (const id of ids) t.ok(planted.out.includes(`\n${id}\n`), `found: ${id}`);
  for (const id of ids) t.ok(planted.out.includes(`  new: ${id}\n`), 'told as new since the last run');
  t.match(planted.out, /\n {2}change: \/etc\/nginx\/sites-enabled\/shop:19: fastcgi_read_timeout 320s;\n/);
  t.match(planted.out, /\n {2}change: iptables -I INPUT -i lo -j ACCEPT\n/);
  t.same(
    planted.out.split('\n').filter((line) => line.length > 80),
    [],
    'it fits into 80 columns',
  );
  t.notMatch(planted.out, '\u001b', 'no colour where no terminal is');

  const [example = ''] = documentedBlocks('docs/doctor.md', 'text');
  const dated = (text: string): readonly string[] =>
    text
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, 'THEN')
      .trim()
      .split('\n\n');
  const [shown, printed] = [dated(example), dated(planted.out)];
  t.same(
    shown.filter((part) => !printed.includes(part)),
    [],
    'docs/doctor.md shows what it prints',
  );

  const briefly = asked('briefly');
  t.same([briefly.code, briefly.err], [1, '']);
  t.same(
    briefly.out
      .split('\n')
      .map((line) => line.split(': ').slice(0, 3).join(': '))
      .filter((line) => !/disk-|inodes-/.test(line)),
    [...ids.map((id) => `serious: ${id}`), ''],
    'a line each, and none is new any more',
  );

  t.match(asked('wrong'), { code: 2, err: /^goodgateway: --only: no check, finding or family is named "nonsense"; the checks are backlog, / });

  const nobody = asked('nobody');
  t.equal(nobody.code, 1);
  t.match(JSON.parse(nobody.out), { findings: [{ id: 'nginx-read-timeout' }, { id: 'socket-refused' }], changes: null });
  const unseen = (JSON.parse(nobody.out) as { readonly unseen: readonly { readonly subject: string }[] }).unseen.map(({ subject }) => subject);
  for (const subject of ['firewall rules', 'the configuration test of php-fpm', 'the configuration test of /etc/nginx/nginx.conf'])
    t.ok(unseen.includes(subject), `without root it says that it did not see ${subject}`);
});
