/** The doctor's readers by themselves: nginx's language, rules of firewalls, units, times, what changed since the last run. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { HostFiles } from '../../src/doctor/host-files.ts';
import { changesSince, readLastRun, writeLastRun, type LastRun } from '../../src/doctor/last-run.ts';
import { parseNftRules } from '../../src/doctor/nft-rules.ts';
import { inForce, nameOf, nginxFrom, nginxTimeMs } from '../../src/doctor/nginx/passes.ts';
import { parseNginx } from '../../src/doctor/nginx/parse-nginx.ts';
import { readNginx } from '../../src/doctor/nginx/read-nginx.ts';
import { blockedBy, parseIptablesSave, type RuleSet } from '../../src/doctor/packet-filter.ts';
import { fpmSeconds } from '../../src/healer/probes/read-fpm-pool.ts';
import { readUnit, unitSeconds } from '../../src/doctor/units.ts';
import { formatAddress } from '../../src/core/failure.ts';
import { finish, succeed } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';

t.test('directives keep their words, blocks and lines, whatever stands between them', async (t) => {
  const text = `# a comment; { not a block }
user www-data;
http {
  log_format x '$remote_addr {"a":"b;c"}'
    "second; line";
  content_by_lua_block {
    if x then return "}" .. "{" end
  }
  server { listen 80; set $a "x\\"y"; rewrite ^/(\\d{1,3})/$ /\${arg_x}/b; }
}
unfinished`;
  const read = parseNginx(text, 'f');
  t.match(read, [
    { name: 'user', words: ['www-data'], line: 2 },
    { name: 'http', line: 3 },
  ]);
  const http = read[1]?.block ?? [];
  t.match(http[0], { name: 'log_format', words: ['x', '$remote_addr {"a":"b;c"}', 'second; line'], line: 4 });
  const server = http.find(({ name }) => name === 'server');
  t.equal(server?.line, 9);
  t.match(server?.block, [{ name: 'listen', words: ['80'] }, { name: 'set', words: ['$a', 'x"y'] }, { name: 'rewrite' }]);
});

t.test('hostile text is read in bounded time and depth', async (t) => {
  const began = process.cpuUsage();
  for (const text of [
    '{'.repeat(200_000),
    '}'.repeat(200_000),
    'a {'.repeat(100_000),
    "'".repeat(100_001),
    '\\'.repeat(100_000),
    'a'.repeat(1_000_000),
    '${'.repeat(100_000),
    'x_by_lua_block {'.repeat(50_000),
  ])
    parseNginx(text, 'f');
  t.ok(process.cpuUsage(began).user < 5_000_000);
});

t.test('what is included stands where it is included, and a circle ends', async (t) => {
  const root = tempFolder(t);
  mkdirSync(join(root, 'etc/nginx/conf.d'), { recursive: true });
  writeFileSync(join(root, 'etc/nginx/nginx.conf'), 'http { include conf.d/*.conf; include missing; }');
  writeFileSync(join(root, 'etc/nginx/conf.d/a.conf'), 'include /etc/nginx/conf.d/a.conf; include /etc/nginx/nginx.conf; gzip on;');
  writeFileSync(join(root, 'etc/nginx/conf.d/.hidden.conf'), 'gzip off;');
  t.match(await readNginx(new HostFiles(root), '/etc/nginx/nginx.conf'), [{ name: 'http', block: [{ name: 'gzip', words: ['on'], file: '/etc/nginx/conf.d/a.conf', line: 1 }] }]);
});

t.test('where nginx passes to is known, but for variables', async (t) => {
  const passes = nginxFrom(
    'f',
    parseNginx(
      `http { proxy_read_timeout 90s; upstream a { server unix:/run/a.sock; server localhost backup; }
       server { server_name x.org; location /a { proxy_pass http://a/deep/; } location ~ \\.php$ { fastcgi_pass [::1]:9000; proxy_read_timeout 5m; }
       location /u { proxy_pass http://unix:/run/u.sock:/uri; } location /t { proxy_pass https://b.org; } location /v { proxy_pass http://$where; } } }`,
      'f',
    ),
  ).passes;
  t.same(
    passes.map((pass) => [pass.protocol, nameOf(pass.scope), ...pass.addresses.map(formatAddress), inForce(pass.scope, 'proxy_read_timeout')[0]?.words[0]]),
    [
      ['http', 'location /a of x.org', 'unix:/run/a.sock', 'localhost:80', '90s'],
      ['fastcgi', 'location ~ \\.php$ of x.org', '[::1]:9000', '5m'],
      ['http', 'location /u of x.org', 'unix:/run/u.sock', '90s'],
      ['http', 'location /t of x.org', 'b.org:443', '90s'],
    ],
  );
});

t.test('times are read as each program reads them', async (t) => {
  t.same(['60', '60s', '5m', '1h 30m', '500ms', '1h30m', 'never', ''].map(nginxTimeMs), [60_000, 60_000, 300_000, 5_400_000, 500, 5_400_000, undefined, undefined]);
  t.same(['0', '60', '2m', '1h', 'x', undefined].map(fpmSeconds), [0, 60, 120, 3600, undefined, undefined]);
  t.same(['100ms', '5', '5s', '1min 30s', '2h', 'infinity', ''].map(unitSeconds), [0.1, 5, 5, 90, 7200, undefined, undefined]);
});

t.test('a drop-in of an administrator has the last word on a unit', async (t) => {
  const root = tempFolder(t);
  const put = (path: string, text: string): void => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put('/lib/systemd/system/a.service', '[Service]\nRestart=always\nRestartSec=1\nLimitNOFILE=10\n');
  put('/lib/systemd/system/a.service.d/10.conf', '[Service]\nRestart=no\n');
  put('/etc/systemd/system/a.service.d/10.conf', '[Service]\nRestart=on-abort\n');
  put('/etc/systemd/system/a.service.d/20.conf', '[Service]\nLimitNOFILE=\n');
  const unit = await readUnit(new HostFiles(root), 'a.service');
  t.match(unit?.value('Service', 'Restart'), { text: 'on-abort', place: '/etc/systemd/system/a.service.d/10.conf:2' });
  t.match(unit?.value('Service', 'RestartSec'), { text: '1', place: '/lib/systemd/system/a.service:3' });
  t.equal(unit?.value('Service', 'LimitNOFILE'), undefined);
  t.equal(await readUnit(new HostFiles(root), 'b.service'), undefined);
});

t.test('a pool is read past what is no regular file: a FIFO holds nobody', async (t) => {
  const folder = tempFolder(t);
  await succeed(['/usr/bin/mkfifo', join(folder, 'a.conf')]);
  writeFileSync(join(folder, 'b.conf'), '[www]\nlisten = 9001\n');
  writeFileSync(join(folder, 'main'), `include=${folder}/*.conf\ninclude=/dev/zero\n`);
  const reader = join(import.meta.dirname, '../../src/healer/probes/read-fpm-pool.ts');
  const script = `import { readFpmSections } from ${JSON.stringify(reader)}; console.log([...readFpmSections(${JSON.stringify(join(folder, 'main'))}).keys()].join());`;
  // in a program of its own: one that hangs can be ended
  t.match(await finish([process.execPath, '--input-type=module', '-e', script], { timeoutMs: 20_000 }), { code: 0, output: /^www\n$/ });
});

const saved = (...rules: readonly string[]): RuleSet => parseIptablesSave(['*nat', '-A INPUT -j DROP', 'COMMIT', '*filter', ':INPUT ACCEPT [0:0]', ...rules, 'COMMIT'].join('\n'));

t.test('a port is called blocked only where no rule before it may let it in', async (t) => {
  const cases: readonly (readonly [string, RuleSet, 'drop' | 'reject' | undefined])[] = [
    ['no rule', saved(), undefined],
    ['a rule for it', saved('-A INPUT -p tcp -m tcp --dport 9000 -j DROP'), 'drop'],
    ['a range', saved('-A INPUT -p tcp -m multiport --dports 80,8000:9100 -j REJECT --reject-with tcp-reset'), 'reject'],
    ['another port', saved('-A INPUT -p tcp -m tcp --dport 9001 -j DROP'), undefined],
    ['loopback is let in before', saved('-A INPUT -i lo -j ACCEPT', '-A INPUT -j DROP'), undefined],
    ['everything is dropped', saved('-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT', '-A INPUT -p icmp -j ACCEPT', '-A INPUT -j DROP'), 'drop'],
    ['only from outside', saved('-A INPUT ! -i lo -p tcp -m tcp --dport 9000 -j DROP', '-A INPUT -i eth0 -j DROP'), undefined],
    ['only from one address: not known', saved('-A INPUT -s 192.0.2.1/32 -p tcp -m tcp --dport 9000 -j DROP'), undefined],
    ['a set may let it in before: not known', saved('-A INPUT -m set --match-set friends src -j ACCEPT', '-A INPUT -j DROP'), undefined],
    ['through a chain and back', saved('-A INPUT -j A', '-A A -p tcp -m tcp --dport 22 -j ACCEPT', '-A A -j RETURN', '-A INPUT -p tcp -m tcp --dport 9000 -j DROP'), 'drop'],
    ['on in another chain', saved('-A INPUT -g A', '-A A -p tcp -m tcp --dport 22 -j ACCEPT', '-A A -j DROP'), 'drop'],
    ['on in another chain, and not back', saved('-A INPUT -g A', '-A A -j RETURN', '-A INPUT -j DROP'), undefined],
    ['a circle', saved('-A INPUT -j INPUT'), undefined],
    ['the policy', parseIptablesSave('*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT'), 'drop'],
  ];
  for (const [name, rules, verdict] of cases) t.equal(blockedBy(rules, 9000)?.verdict, verdict, name);
});

t.test("nft's words are read the same way, and what is none is none", async (t) => {
  const chain = { chain: { family: 'ip', table: 't', name: 'in', hook: 'input', policy: 'drop', prio: 0 } };
  const rules = (...exprs: readonly (readonly object[])[]): string => JSON.stringify({ nftables: [chain, ...exprs.map((expr) => ({ rule: { family: 'ip', table: 't', chain: 'in', expr } }))] });
  const key = (name: string, right: unknown) => ({ match: { op: '==', left: { meta: { key: name } }, right } });
  const verdict = (text: string) => blockedBy(parseNftRules(text)!, 9000)?.verdict;
  t.equal(verdict(rules()), 'drop', 'the policy');
  t.equal(verdict(rules([key('iifname', 'lo'), { accept: null }])), undefined);
  t.equal(verdict(rules([key('iifname', 'eth0'), { accept: null }])), 'drop');
  t.equal(verdict(rules([key('l4proto', 'udp'), { accept: null }])), 'drop');
  t.equal(verdict(rules([{ match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: '192.0.2.1' } }, { accept: null }])), undefined, 'it may be that address');
  t.equal(verdict(rules([{ vmap: { key: {}, data: {} } }])), undefined, 'a map may hold anything');
  for (const text of ['', '{}', '[]', 'nft: no', '{"nftables":[{"rule":{}}]}']) t.equal(parseNftRules(text), undefined);
});

t.test('a run is kept, never through a link, and compared with the next', async (t) => {
  const folder = tempFolder(t);
  const file = join(folder, 'doctor.json');
  const one = { id: 'a', subject: 'x', severity: 'warning' };
  const run: LastRun = { version: 1, checked_at: '2026-11-01T00:00:00.000Z', findings: [one, { ...one, subject: 'y' }, { ...one, id: 'b' }], space: {} };
  writeFileSync(join(folder, 'precious'), 'kept');
  symlinkSync(join(folder, 'precious'), `${file}.new`);
  t.equal(await writeLastRun(file, run), undefined);
  t.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'kept');
  t.same(await readLastRun(file), run);
  const rest = { family: 'load', severity: 'warning', what: '', why: '', change: '', source: '' } as const;
  t.same(
    changesSince(
      run,
      [
        { ...rest, id: 'a', subject: 'x' },
        { ...rest, id: 'c', subject: 'z' },
      ],
      new Set(['a', 'c']),
    ),
    {
      since: run.checked_at,
      appeared: [{ id: 'c', subject: 'z' }],
      gone: [{ id: 'a', subject: 'y' }],
    },
    'b was not looked for this time, so it is not gone',
  );
  writeFileSync(file, '{"version":2}');
  t.equal(await readLastRun(file), undefined, 'what is none of ours is no last run');
  t.match(await writeLastRun(join(folder, 'missing/doctor.json'), run), /could not be written to .*ENOENT/);
});
