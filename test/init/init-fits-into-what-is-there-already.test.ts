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
