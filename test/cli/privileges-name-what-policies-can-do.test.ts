import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { finish, type Finished } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';

const program = join(import.meta.dirname, '../../src/cli/main.ts');
const folder = tempFolder(t, 'gg-privileges');
mkdirSync(join(folder, 'policies.d'));

const steps = (...actions: readonly string[]): object[] => actions.map((action) => ({ do: action }));
const policy = (name: string, mode: string, rules: readonly object[], rest: object = {}): object => ({
  version: 1,
  name,
  mode,
  service: { type: 'systemd', unit: `${name}.service` },
  rules,
  ...rest,
});
const crashed = (...actions: readonly string[]): object => ({ name: 'It crashed', when: { cause: 'service.crashed' }, try: steps(...actions) });
const policies = {
  web: policy('web', 'act', [crashed('start', 'page')]),
  'php8.2-fpm@a:b': policy('php', 'approve', [crashed('reset_failed_and_start', 'reload')], { service: { type: 'systemd', unit: 'php8.2-fpm@a:b.service' } }),
  watched: policy('watched', 'observe', [crashed('start')]),
};
for (const [name, one] of Object.entries(policies)) writeFileSync(join(folder, 'policies.d', `${name}.yaml`), stringify(one), { mode: 0o644 });
writeFileSync(
  join(folder, 'goodgateway.yaml'),
  stringify({ version: 1, gateways: { web: { listen: `unix:${folder}/web.sock`, protocol: 'http', upstream: '127.0.0.1:9', service: 'web' } }, state: `${folder}/state`, runtime: `${folder}/run` }),
);
const privileges = (...words: readonly string[]): Promise<Finished> =>
  finish([process.execPath, '--disable-warning=ExperimentalWarning', program, 'privileges', '--config', join(folder, 'goodgateway.yaml'), ...words]);

interface Asked {
  readonly id: string;
  lookup(name: string): string | undefined;
}
type Rule = (action: Asked, subject: { readonly user: string }) => unknown;

t.test('the rule for polkit says yes to exactly the units and verbs of the policies', async (t) => {
  const { code, output } = await privileges('--polkit', '--user', 'healer');
  t.equal(code, 0);
  const rules: Rule[] = [];
  // as polkit's own engine does it: the file is a program, and polkit an object that it knows
  new Function('polkit', output)({ Result: { YES: 'yes' }, addRule: (rule: Rule) => rules.push(rule) });
  t.equal(rules.length, 1);
  const ask = (unit: string, verb: string, { user = 'healer', id = 'org.freedesktop.systemd1.manage-units' } = {}): unknown => rules[0]?.({ id, lookup: (name) => ({ unit, verb })[name] }, { user });
  const units = ['web.service', 'php8.2-fpm@a:b.service', 'watched.service', 'sshd.service', 'goodgateway-run-x.service', 'toString', '__proto__'];
  const verbs = ['start', 'stop', 'restart', 'reload', 'reset-failed', 'kill', 'set-property', 'reload-or-restart'];
  const allowed = units.flatMap((unit) => verbs.filter((verb) => ask(unit, verb) === 'yes').map((verb) => `${verb} ${unit}`));
  t.same(allowed, ['start web.service', 'start php8.2-fpm@a:b.service', 'reload php8.2-fpm@a:b.service', 'reset-failed php8.2-fpm@a:b.service']);
  t.ok(
    units.every((unit) => verbs.every((verb) => ask(unit, verb) === 'yes' || ask(unit, verb) === undefined)),
    'nothing is forbidden: others may have rules of their own',
  );
  t.equal(ask('web.service', 'start', { user: 'somebody' }), undefined);
  t.equal(ask('web.service', 'start', { id: 'org.freedesktop.systemd1.manage-unit-files' }), undefined);
});

t.test('for sudo the same, a line a command', async (t) => {
  const { code, output } = await privileges('--sudoers');
  t.equal(code, 0);
  const lines = output
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('#'));
  t.same(lines, [
    'goodgateway-healer ALL=(root) NOPASSWD: /usr/bin/systemctl --no-ask-password start -- php8.2-fpm@a\\:b.service',
    'goodgateway-healer ALL=(root) NOPASSWD: /usr/bin/systemctl --no-ask-password reload -- php8.2-fpm@a\\:b.service',
    'goodgateway-healer ALL=(root) NOPASSWD: /usr/bin/systemctl --no-ask-password reset-failed -- php8.2-fpm@a\\:b.service',
    'goodgateway-healer ALL=(root) NOPASSWD: /usr/bin/systemctl --no-ask-password start -- web.service',
  ]);
});

t.test('all of it says what does not work without root', async (t) => {
  t.match(await privileges(), { code: 0, output: /User=goodgateway-healer[^]*polkit\.addRule[^]*no sudo is used[^]*kernel\.dmesg_restrict/ });
  t.match(await privileges('--user', 'a b'), { code: 2, output: /expected the name of a user/ });
  t.match(await privileges('--sudoers', '--polkit'), { code: 2 });
});
