/** Machines that goodgateway, or a person, has changed already: gateways by other names, blocks that lead through them, shared files. */
import t, { type Test } from 'tap';
import { debianNginx, lookAt, type Files, type Looked } from './machines.ts';

/** A second look, at a machine on which the first one's files are in their places, and these sites. */
async function lookAgain(t: Test, { plan }: Looked, sites: Files, choices: Parameters<typeof lookAt>[2] = {}): Promise<Looked> {
  const written = plan.checked.files.map(({ file, text }) => [file.slice(file.indexOf('/etc/goodgateway/')), text] as const);
  const blocks = (plan.nginx?.changes ?? []).filter(({ before }) => before === undefined).map(({ file, after }) => [file, after] as const);
  return lookAt(t, { ...debianNginx(sites), ...Object.fromEntries([...written, ...blocks]) }, choices);
}

const site = (port: number): string => `server { location / { proxy_pass http://127.0.0.1:${port}; } }\n`;

t.test('a gateway is known by where it leads to, not by its name', async (t) => {
  const first = await lookAt(t, debianNginx({ shop: 'server { location / { proxy_pass http://unix:/run/a/app.sock:/; } }\n' }));
  t.same(Object.keys(first.plan.checked.host?.gateways ?? {}), ['app']);
  const sites = { a: 'server { location / { proxy_pass http://unix:/run/b/app.sock:/; } }\n', b: 'server { location / { proxy_pass http://unix:/run/a/app.sock:/; } }\n' };
  const second = await lookAgain(t, first, sites);
  t.same(
    second.plan.backends.map(({ name, address }) => [name, address]),
    [
      ['app-2', { kind: 'unix', path: '/run/b/app.sock' }],
      ['app', { kind: 'unix', path: '/run/a/app.sock' }],
    ],
  );
  t.match(second.plan.leftAlone, [{ place: '/etc/nginx/sites-enabled/a:1', why: /no gateway of goodgateway\.yaml leads to unix:\/run\/b\/app\.sock by http/, instead: /init --force/ }]);
  t.match(second.diff, /^\+.*proxy_pass http:\/\/app\/; {2}# before: http:\/\/unix:\/run\/a\/app\.sock:\/$/m);
  t.notMatch(second.diff, /^\+.*before: http:\/\/unix:\/run\/b/m);
  const forced = await lookAgain(t, first, sites, { force: true });
  t.same(forced.plan.leftAlone, []);
  t.same(forced.plan.checked.host?.gateways['app']?.upstream, { kind: 'unix', path: '/run/a/app.sock' }, 'and it keeps its name');
});

t.test('a name that a person has given to another backend is not used', async (t) => {
  const first = await lookAt(t, debianNginx({ shop: site(3000) }));
  const moved: Looked = {
    ...first,
    plan: { ...first.plan, checked: { ...first.plan.checked, files: first.plan.checked.files.map((one) => ({ ...one, text: one.text.replace('127.0.0.1:3000', '127.0.0.1:4000') })) } },
  };
  const { plan, diff } = await lookAgain(t, moved, { shop: site(3000) });
  t.match(plan.leftAlone, [{ why: /no gateway of goodgateway\.yaml leads to 127\.0\.0\.1:3000 by http/ }]);
  t.equal(diff, '');
});

t.test('a second site goes through the block that leads to its gateway, wherever that stands', async (t) => {
  const first = await lookAt(t, debianNginx({ a: site(3000) }));
  const { diff: byFile } = await lookAgain(t, first, { a: 'server { location / { proxy_pass http://app-3000; } }\n', b: site(3000) });
  t.match(byFile, /^\+.*proxy_pass http:\/\/app-3000; {2}# before/m);
  t.notMatch(byFile, /upstream \S+ \{/, 'no block is written again');
  const { diff: orphaned } = await lookAgain(t, first, { b: site(3000) });
  t.match(orphaned, /proxy_pass http:\/\/app-3000; {2}# before/);
  t.notMatch(orphaned, /upstream \S+ \{/, 'also when nothing uses it now');
  const named =
    'upstream shop { server unix:/run/goodgateway/shop.sock max_fails=0; server 127.0.0.1:3000 max_fails=0 backup; }\nserver { location / { proxy_pass http://shop; proxy_read_timeout 80s; } }\n';
  const { plan, diff } = await lookAt(t, debianNginx({ a: named, b: site(3000) }));
  t.same(plan.checked.problems, []);
  t.match(diff, /^\+.*proxy_pass http:\/\/shop; {2}# before/m);
  t.notMatch(diff, /^\+.*upstream \S+ \{/m);
});

t.test('a second site with an error log of its own changes nothing of the gateway', async (t) => {
  const first = await lookAt(t, debianNginx({ b: site(3000) }));
  const log = 'server { error_log /var/log/nginx/a.log; location / { proxy_pass http://127.0.0.1:3000; } }\n';
  const { plan } = await lookAgain(t, first, { a: log, b: 'server { location / { proxy_pass http://app-3000; proxy_read_timeout 80s; } }\n' });
  t.same(
    plan.checked.files.map(({ fate }) => fate),
    ['same', 'same'],
  );
});

t.test('no name of a block is given twice', async (t) => {
  const first = await lookAt(t, debianNginx({ a: site(3000) }));
  const taken = { a: `upstream app-3000 { server 127.0.0.1:1; server 127.0.0.1:2; }\n${site(3000)}` };
  const { diff } = await lookAgain(t, { ...first, plan: { ...first.plan, nginx: undefined } }, taken);
  t.match(diff, /^\+\+\+ .*conf\.d\/goodgateway-app-3000-2\.conf$/m);
  t.match(diff, /^\+upstream app-3000-2 \{\n\+ *server unix:\/run\/goodgateway\/app-3000\.sock/m);
  t.match(diff, /^\+.*proxy_pass http:\/\/app-3000-2;/m);
});

t.test('every named block of a backend is changed', async (t) => {
  const block = (name: string): string => `upstream ${name} {\n    server 127.0.0.1:3000;\n}\nserver {\n    location / { proxy_pass http://${name}; }\n}\n`;
  const { plan, diff } = await lookAt(t, debianNginx({ a: block('one'), b: block('two'), c: site(3000) }));
  t.same(Object.keys(plan.checked.host?.gateways ?? {}), ['one']);
  t.equal(diff.match(/^\+ *server unix:\/run\/goodgateway\/one\.sock max_fails=0;/gm)?.length, 2);
  t.match(diff, /^\+.*proxy_pass http:\/\/one; {2}# before: http:\/\/127\.0\.0\.1:3000$/m);
  t.notMatch(diff, /^\+upstream/m);
});

t.test('a file that two sites include is changed only where both need the same', async (t) => {
  const files = { '/etc/nginx/snippets/app.conf': 'location / { proxy_pass http://127.0.0.1:3000; }\n' };
  const include = 'include snippets/app.conf;';
  const same = await lookAt(t, { ...debianNginx({ a: `server { ${include} }\n`, b: `server { server_name b; ${include} }\n` }), ...files });
  t.match(same.diff, /^\+\+\+ \/etc\/nginx\/snippets\/app\.conf$[^]*proxy_pass http:\/\/app-3000;/m);
  const other = await lookAt(t, {
    ...debianNginx({ a: `server { proxy_set_header A b; ${include} }\n`, b: `server { ${include} }\n`, c: `server { location /c { proxy_pass http://127.0.0.1:3000; } }\n` }),
    ...files,
  });
  t.same(
    other.plan.leftAlone.map(({ place, why }) => `${place}: ${why}`),
    ['/etc/nginx/snippets/app.conf:1: several sites include it, and need different lines there'],
  );
  t.notMatch(other.diff, /snippets/);
  t.match(other.diff, /^\+\+\+ \/etc\/nginx\/sites-enabled\/c$/m, 'others are');
});

t.test('a configuration that reads policies from elsewhere, too, is checked where it stands', async (t) => {
  const first = await lookAt(t, debianNginx({ a: site(3000) }));
  const more = { '/etc/goodgateway/goodgateway.yaml': `${first.text('goodgateway.yaml')}policies: [more/*.yaml]\n`, '/etc/goodgateway/more/mine.yaml': first.text('policies.d/app-3000.yaml') };
  const { plan } = await lookAt(t, { ...debianNginx({ a: site(3000) }), ...more });
  t.same(plan.checked.problems, []);
  t.same(
    plan.checked.files.map(({ fate }) => fate),
    ['left'],
  );
  t.ok(plan.checked.host?.gateways['app-3000']);
});

t.test('who has another proxy in front of nginx is told what changes for the application', async (t) => {
  const reminded = async (around: string): Promise<boolean> => /another proxy or a CDN[^]*set_real_ip_from/.test((await lookAt(t, debianNginx({ a: `${around}${site(3000)}` }))).advice);
  t.ok(await reminded(''));
  t.notOk(await reminded('set_real_ip_from 10.0.0.1;\n'), 'nginx knows the visitor');
  t.notOk(await reminded('proxy_set_header X-Real-IP $http_x_real_ip;\n'), 'what is set stays');
});
