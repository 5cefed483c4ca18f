/** Each finding is planted in a clean host and found, alone; the clean host has none. */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import { ulid } from '../../src/core/ids.ts';
import { systemClock } from '../../src/core/time.ts';
import { families } from '../../src/doctor/finding.ts';
import { append, openStory, StoryClock } from '../fixtures/audit/story.ts';
import { allChecks, writeStack } from './stack.ts';
import { isRoot } from '../support/skip.ts';
import { planted, wellDone } from './planted.ts';

const stack = await writeStack(t);
t.afterEach(() => stack.restore());

t.test('a clean host has no finding, and all of it was seen', async (t) => {
  const { findings, unseen } = await stack.examine();
  t.same(findings, []);
  t.same(unseen, [{ subject: 'slowest pages, largest headers', why: 'not measured: nothing on this host counts them' }]);
});

for (const { finds, trouble, needsRoot, plant, scene, says } of planted) {
  t.test(`${finds}: ${trouble}`, { skip: needsRoot && !isRoot ? 'needs root' : false }, async (t) => {
    plant?.(stack);
    const { findings } = await stack.examine(scene);
    t.same([...new Set(findings.map(({ id }) => id))], [finds]);
    t.match(findings.map(({ what, why, change, source }) => [what, why, change, source].join(' ')).join('\n'), says);
  });
}

t.test('a host without goodgateway is examined, too', async (t) => {
  t.same((await stack.examine({ configured: false })).findings, []);
  stack.edit('/etc/php/8.2/fpm/php-fpm.conf', 'process_control_timeout = 20s\n', '');
  t.match((await stack.examine({ configured: false })).findings, [{ id: 'reload-cuts-requests' }]);
});

for (const { name, plant, scene } of wellDone) {
  t.test(`nothing is found: ${name}`, async (t) => {
    plant?.(stack);
    t.same((await stack.examine(scene)).findings, []);
  });
}

t.test('a check that is late is said to be so, and holds up nobody', async (t) => {
  const outside = { whySilent: () => new Promise<undefined>(() => undefined), clock: { ...systemClock, sleep: async () => undefined } };
  const { findings, unseen } = await stack.examine({ outside, checks: allChecks.filter(({ name }) => name === 'name-servers') });
  t.same(findings, []);
  t.match(unseen.at(-1), { subject: 'name-servers', why: 'it did not end within 20 s' });
});

t.test('without root it says what it did not see, and guesses nothing', async (t) => {
  stack.write('/usr/sbin/nft', '');
  const { findings, unseen } = await stack.examine({ outside: { isRoot: false, fpmStatus: async () => ({ missing: 'no permission' }), space: async () => 'no permission' } });
  t.same(findings, []);
  const subjects = unseen.map(({ subject }) => subject);
  for (const subject of ['firewall rules', 'the configuration test of php-fpm', 'space at /', 'most requests at once of www']) t.ok(subjects.includes(subject), subject);
});

t.test('own-socket-open: everybody may speak to the healer', async (t) => {
  const path = `${stack.folder}/run/goodgateway/control.sock`;
  const server = createServer().listen(path);
  t.teardown(() => server.close());
  await once(server, 'listening');
  chmodSync(path, 0o666);
  t.match(await stack.examine(), { findings: [{ id: 'own-socket-open', change: /chmod 0660/ }] });
});

t.test('limit-reached-again: the same limit, three times in a month', async (t) => {
  const clock = new StoryClock('2026-11-22T03:00:00.000Z');
  const audit = `${stack.folder}/var/log/goodgateway`;
  t.teardown(() => rmSync(audit, { recursive: true }));
  const log = await openStory(audit, clock);
  const told = async (cause: 'capacity.workers_exhausted' | 'service.crashed', confidence: 'possible' | 'likely') => {
    clock.now += 3_600_000;
    const of = { incident: ulid(clock.now), service: 'php-fpm' };
    await append(log, clock, [
      { ...of, event: 'incident.opened' },
      { ...of, event: 'diagnosis.made', cause, confidence, remedy: 'see what the workers wait for' },
    ]);
  };
  for (const cause of ['service.crashed', 'service.crashed', 'service.crashed', 'capacity.workers_exhausted', 'capacity.workers_exhausted'] as const) await told(cause, 'likely');
  await told('capacity.workers_exhausted', 'possible');
  const scene = { outside: { clock: { ...systemClock, wallMs: () => clock.now + 86_400_000 } } };
  t.same((await stack.examine(scene)).findings, [], 'twice may be chance');
  await told('capacity.workers_exhausted', 'likely');
  t.match((await stack.examine(scene)).findings, [{ id: 'limit-reached-again', subject: 'php-fpm: capacity.workers_exhausted', what: /3 incidents/, change: /^see what the workers wait for/ }]);
  writeFileSync(join(audit, 'audit-20261121-01.jsonl.gz'), 'no gzip');
  const { findings, unseen } = await stack.examine(scene);
  t.match(findings, [{ id: 'limit-reached-again', what: /3 incidents/ }], 'a damaged file hides no other');
  t.match(
    unseen.filter(({ subject }) => subject.startsWith('past')),
    [{ subject: 'past incidents in audit-20261121-01.jsonl.gz', why: /the file is damaged \(incorrect header check\)/ }],
  );
  t.same((await stack.examine({ outside: { clock: { ...systemClock, wallMs: () => clock.now + 60 * 86_400_000 } } })).findings, [], 'and long ago is over');
});

t.test('every finding of every check is planted here', async (t) => {
  const here = new Set([...planted.map(({ finds }) => finds), 'own-socket-open', 'limit-reached-again']);
  t.same(
    allChecks.flatMap((check) => Object.keys(check.finds)).filter((id) => !here.has(id)),
    [],
  );
});

t.test('docs/doctor.md lists every finding', async (t) => {
  const file = join(import.meta.dirname, '../../docs/doctor.md');
  const page = readFileSync(file, 'utf8');
  const known = new Set(allChecks.flatMap((check) => [check.name, check.family, ...Object.keys(check.finds)]));
  const only = [...page.matchAll(/--only ([\w,-]+)/g)].flatMap(([, names = '']) => names.split(','));
  t.ok(only.length > 0);
  t.same(
    only.filter((name) => !known.has(name)),
    [],
    'what it asks for with --only exists',
  );
  const rows = families.flatMap((family) =>
    allChecks
      .filter((check) => check.family === family)
      .flatMap(({ name, finds }) => Object.entries(finds).map(([id, { severity, when }]) => `| ${family} | \`${name}\` | \`${id}\` | ${severity} | ${when} |`)),
  );
  const table = ['| family | check | finding | severity | when |', '|---|---|---|---|---|', ...rows].join('\n');
  const text = page.replace(/(<!-- findings: made by .*? -->\n)[^]*?(<!-- end -->)/, (_all, begin: string, end: string) => `${begin}\n${table}\n\n${end}`);
  if (process.env['TAP_SNAPSHOT'] === '1') writeFileSync(file, text);
  t.equal(readFileSync(file, 'utf8'), text, 'write it anew with TAP_SNAPSHOT=1 node test/doctor/each-trouble-is-found.test.ts');
});
