import t from 'tap';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as causes from '../../src/healer/causes/registry.ts';
import { checkFile } from '../../src/config/check-file.ts';
import { loadPolicyFile } from '../../src/config/load-policies.ts';
import { actionOptions } from '../../src/healer/action-options.ts';

const folder = join(import.meta.dirname, '../../policies');
const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const known = new Set<string>(Object.values(causes).map((cause) => cause.name));

/** Actions that end requests which would otherwise be answered. */
const disruptive = ['reload', 'restart', 'stop'];

t.test('there is a ready policy for each kind of backend', async (t) => {
  t.same(names.sort(), ['apache-plesk.yaml', 'apache.yaml', 'demo.yaml', 'docker-app.yaml', 'http-app.yaml', 'mariadb.yaml', 'memcached.yaml', 'php-fpm.yaml', 'redis.yaml']);
});

for (const name of names) {
  t.test(`${name} is right, and has an answer to every cause that can be found`, async (t) => {
    t.same((await checkFile(join(folder, name), { actionOptions })).problems, []);
    const { policies } = await loadPolicyFile(join(folder, name), { actionOptions });
    t.equal(policies.length, 1);
    const policy = policies[0]!.policy;
    const named = policy.rules.flatMap((rule) => rule.when.cause);
    t.same(
      named.filter((cause) => !known.has(cause)),
      [],
      'no rule waits for a cause that this version never finds',
    );
    // A process without pidfile has neither orphans that anybody could find nor a configuration test.
    const impossible = name === 'demo.yaml' ? ['service.orphaned_workers', 'config.invalid'] : [];
    t.same(
      [...known].filter((cause) => !named.includes(cause as never) && !impossible.includes(cause)),
      [],
      'each cause has a rule',
    );
  });

  t.test(`${name} leaves a busy, a stopped and a misconfigured service alone`, async (t) => {
    const { policies } = await loadPolicyFile(join(folder, name), { actionOptions });
    const { never, rules } = policies[0]!.policy;
    for (const rule of rules) {
      const careful = rule.when.cause.some((cause) => ['capacity.workers_exhausted', 'service.stopped_by_operator', 'config.invalid'].includes(cause));
      if (!careful) continue;
      t.notOk(
        rule.try.some((rung) => disruptive.includes(rung.do) || rung.do === 'start'),
        rule.name,
      );
      t.ok(rule.never.includes('restart') || never.includes('restart'), `${rule.name}: says so aloud`);
    }
  });
}

t.test('only the demonstration acts without being told to', async (t) => {
  for (const name of names) t.match(readFileSync(join(folder, name), 'utf8'), name === 'demo.yaml' ? /^mode: act$/m : /^mode: observe /m, name);
});

t.test('the README names each ready policy, and the causes and actions of this version', async (t) => {
  const text = readFileSync(join(folder, 'README.md'), 'utf8');
  for (const word of [...names, ...known, ...Object.keys(actionOptions)]) t.ok(text.includes(`\`${word}\``), word);
});
