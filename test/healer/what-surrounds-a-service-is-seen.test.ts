/** Probes that look beside the service: the kernel's log, its disks, what it depends on, a database's own words. */
import { mkdirSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { policySchema } from '../../src/config/policy-schema.ts';
import { systemClock } from '../../src/core/time.ts';
import * as causes from '../../src/healer/causes/registry.ts';
import { dependenciesOf } from '../../src/healer/dependencies-of.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import type { Dependency, Probe, ProbeContext, ServiceState, ServiceTarget } from '../../src/healer/leaves.ts';
import { isFull, isSpent, readSpace } from '../../src/healer/probes/read-disk-space.ts';
import * as probes from '../../src/healer/probes/registry.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as services from '../../src/healer/services/registry.ts';
import { caseFile, serviceConfig, serviceTarget } from '../fixtures/healer/case-file.ts';
import { logFrame, startFakeEngine } from '../fixtures/services/fake-engine.ts';
import { freePort } from '../support/ports.ts';
import { succeed } from '../support/program.ts';
import { isRoot } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

/** Old or new hierarchy: wherever the kernel's memory controller is. */
const memoryHierarchies = [
  ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
  ['/sys/fs/cgroup', 'memory.max'],
] as const;

const soon = (): AbortSignal => AbortSignal.timeout(10_000);

function look(probe: Probe, target: ServiceTarget, more: Partial<ProbeContext> = {}) {
  const serviceType = services[target.config.type];
  return probe.look({ target, run: runCommand, clock: systemClock, serviceType, lastGoodMs: Date.now() - 5000, dependencies: [], ...more }, soon());
}

t.test("the kernel's log names the very process that it ended for want of memory", { skip: cannotRunOutOfMemory() }, async (t) => {
  const folder = tempFolder(t);
  const target = serviceTarget({
    config: serviceConfig({ type: 'process', start: ['/bin/sh', '-c', `echo $$ > ${smallCgroup(t)}/cgroup.procs && exec tail /dev/zero`] }),
    stateFolder: folder,
    protocol: 'http',
  });
  await services.process.control(target, 'start', runCommand, soon());
  await until(async () => (await services.process.state(target, runCommand, soon())).state === 'failed', { timeoutMs: 15_000, what: 'the kernel to end it' });
  const [seen] = await look(probes.oomKills, target);
  const { lastMainPid } = await services.process.state(target, runCommand, soon());
  t.match(seen, { kind: 'oom_kill', facts: { pid: lastMainPid, program: 'tail', scope: 'group', eater: 'tail' }, text: /^The kernel says: .*[Oo]ut of memory/ });
  t.match(
    (await look(probes.kernelLog, target)).find(({ facts }) => facts['what'] === 'oom_kill' && facts['pid'] === lastMainPid),
    { kind: 'kernel', facts: { group: /\/gg-memory-/, scope: 'group' } },
  );
  const state = (await look(probes.serviceState, target))[0]!;
  t.match(diagnose(caseFile({ target: { ...target, upstreams: [] }, evidence: [state, seen!] }), Object.values(causes)).best, { cause: 'oom.killed', confidence: 'certain' });

  t.same(await look(probes.oomKills, target, { lastGoodMs: Date.now() + 60_000 }), [], 'a line from before it was last well is of another process');
  const unit: ServiceState = { state: 'failed', text: 'dead', pids: [], fence: '', oomKilled: true };
  const asUnit = { ...target, config: serviceConfig({ type: 'systemd', unit: `gg-memory-${process.pid}.service` }) };
  t.match(
    await look(probes.oomKills, asUnit, { serviceType: { ...services.systemd, state: async () => unit } }),
    [{ facts: { program: 'tail' } }],
    'a unit that systemd no longer knows the pid of is known by its group',
  );
  const dead: ServiceState = { state: 'failed', text: 'dead', pids: [], fence: '', lastMainPid: process.pid };
  t.same(await look(probes.oomKills, target, { serviceType: { ...services.process, state: async () => dead } }), [], 'another pid');
});

t.test('a full disk is seen, and a small one is not taken for full', async (t) => {
  const [mib, gib] = [1024 ** 2, 1024 ** 3];
  const rows: readonly (readonly [string, Parameters<typeof isFull>[0], boolean])[] = [
    ['plenty', { freeBytes: 50 * gib, totalBytes: 100 * gib, freeInodes: 9 }, false],
    ['0.9 %', { freeBytes: 0.9 * gib, totalBytes: 100 * gib, freeInodes: 9 }, true],
    ['0.9 % of 10 TiB', { freeBytes: 90 * gib, totalBytes: 10_000 * gib, freeInodes: 9 }, false],
    ['9 GiB of 10 TiB', { freeBytes: 9 * gib, totalBytes: 10_000 * gib, freeInodes: 9 }, true],
    ['1 %', { freeBytes: gib, totalBytes: 100 * gib, freeInodes: 9 }, false],
    ['15 MiB of 1 GiB', { freeBytes: 15 * mib, totalBytes: gib, freeInodes: 9 }, true],
    ['4 of 5 MiB', { freeBytes: 4 * mib, totalBytes: 5 * mib, freeInodes: 9 }, false],
    ['no inode', { freeBytes: 50 * gib, totalBytes: 100 * gib, freeInodes: 0 }, true],
    ['no fixed number of inodes', { freeBytes: 50 * gib, totalBytes: 100 * gib, freeInodes: undefined }, false],
    ['no size at all', { freeBytes: 0, totalBytes: 0, freeInodes: undefined }, false],
  ];
  for (const [what, space, full] of rows) t.equal(isFull(space), full, what);
  t.equal(isSpent({ freeBytes: 4 * mib, totalBytes: 50 * mib, freeInodes: 9 }), false, 'a nearly full small /run takes a pidfile');
  t.equal(isSpent({ freeBytes: 0.9 * gib, totalBytes: 100 * gib, freeInodes: 9 }), false, 'a large one may be full for people only');
  for (const spent of [
    { freeBytes: 0, totalBytes: 4 * mib, freeInodes: 9 },
    { freeBytes: 5 * mib, totalBytes: 100 * gib, freeInodes: 9 },
    { freeBytes: gib, totalBytes: 2 * gib, freeInodes: 0 },
  ])
    t.ok(isSpent(spent));
  const asked = await Promise.all([readSpace('/'), readSpace('/')]);
  t.same(asked[1], asked[0], 'who asks while a question is open gets its answer');
  if (!isRoot) return void t.pass('needs root, to mount a file system in a namespace', { skip: true });
  const folder = tempFolder(t);
  const fixture = join(import.meta.dirname, '../fixtures/healer/asks-disk-space.ts');
  const mounts = [
    ['small', 'size=32m'],
    ['few', 'size=32m,nr_inodes=8'],
    ['sealed', 'size=32m,ro'],
  ].map(([name, options]) => `mkdir "$1/${name}" && mount -t tmpfs -o ${options} tmpfs "$1/${name}"`);
  const output = await succeed(['/usr/bin/unshare', '--mount', '/bin/sh', '-c', `${mounts.join(' && ')} && exec "$2" "$3" "$1"`, 'sh', folder, process.execPath, fixture]);
  const { before, release, small, few, sealed } = JSON.parse(output);
  t.same(before, []);
  t.match(release, [{ kind: 'disk_read_only', facts: { path: `${folder}/sealed`, use: 'maybe' } }], 'a release is often read-only on purpose');
  t.match(small, [{ kind: 'disk_full', facts: { path: `${folder}/small`, inodes: false, spent: true }, text: `The file system of ${folder}/small is full: 0 MiB of 32 MiB are left.` }]);
  t.equal(small.length, 1, 'once, though log and state are on it');
  t.match(few[0], { kind: 'disk_full', facts: { path: `${folder}/few`, use: 'sure', inodes: true, spent: true }, text: /no inode is left/ });
  t.match(sealed[0], { kind: 'disk_read_only', facts: { path: `${folder}/sealed` }, text: `Nothing can be written to the file system of ${folder}/sealed: it is read-only.` });
});

t.test('what a service depends on is known with its kind, its incident, and whether it takes connections', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const up = (server.address() as AddressInfo).port;
  const down = await freePort();
  const ward = (name: string, port: number, more: object = {}) => {
    const policy = policySchema.parse({ version: 1, name, mode: 'act', service: { type: 'external' }, ...more });
    return [name, { name, policy, target: () => serviceTarget({ upstreams: [`127.0.0.1:${port}`] }) }] as const;
  };
  const wards = new Map([
    ward('shop', up, { depends_on: ['mariadb', 'redis', 'search', 'itself', 'nowhere'] }),
    ward('mariadb', up, { verify: { checks: [{ mysql: 'greeting' }] } }),
    ward('redis', down, { verify: { checks: [{ redis: 'PING' }] } }),
    ward('search', up),
  ]);
  const healer = { wards, state: { state: () => ({ incidents: [{ service: 'mariadb', symptom: { text: 'the unit has failed' } }] }) } };
  // @ts-expect-error -- of wards and state only what is read here
  const known: readonly Dependency[] = dependenciesOf(wards.get('shop'), healer);
  t.match(known, [
    { name: 'mariadb', kind: 'database', trouble: 'the unit has failed' },
    { name: 'redis', kind: 'cache', trouble: undefined, address: { port: down } },
    { name: 'search', kind: 'other', trouble: undefined },
  ]);
  t.match(await look(probes.dependencies, serviceTarget(), { dependencies: known }), [
    { text: 'mariadb has an open incident: the unit has failed.', facts: { name: 'mariadb', kind: 'database', incident: true } },
    { text: /^redis takes no connection: /, facts: { name: 'redis', kind: 'cache', incident: false } },
  ]);
});

/** MariaDB 10.11, measured. */
const recovery = [
  '2026-11-26 17:10:09 0 [Note] Starting MariaDB 10.11.19-MariaDB-0+deb12u1 source revision 5843d8475120241667a7ce0f8a1abb6c9b43a273 as process 26620',
  '2026-11-26 17:10:09 0 [Note] InnoDB: Starting crash recovery from checkpoint LSN=44744',
  '2026-11-26 17:10:09 0 [Note] InnoDB: End of log at LSN=46685',
];
const ready = ['2026-11-26 17:10:19 0 [Note] mariadbd: ready for connections.', "Version: '10.11.19-MariaDB-0+deb12u1'  socket: '/run/mysqld/mysqld.sock'  port: 0  Debian 12"];
const damaged = ["2026-11-26 17:10:21 3 [ERROR] InnoDB: Failed to read page 3 from file './t/a.ibd': Page read from tablespace is corrupted."];
const crashed = ["2026-11-26  9:10:21 4 [ERROR] mariadbd: Table './t/m' is marked as crashed and should be repaired"];

t.test("a database's own words: it recovers, it is ready, its data is damaged", async (t) => {
  const file = join(tempFolder(t), 'error.log');
  const target = serviceTarget({ config: serviceConfig({ type: 'external', log: file }), protocol: undefined });
  const signatures = async (since: string, ...lines: readonly string[]) => {
    writeFileSync(file, `${lines.join('\n')}\n`);
    return (await look(probes.logTail, target, { lastGoodMs: Date.parse(since) + 10_000, clock: { ...systemClock, wallMs: () => Date.parse(since) } })).map(({ facts, text }) => [
      facts['signature'],
      text,
    ]);
  };
  t.same(await signatures('2026-11-26T17:10:00', ...recovery), [['database_start', recovery[1]]]);
  t.same(await signatures('2026-11-26T17:10:00', ...recovery, ...ready), [['database_start', ready[0]]], 'the last of these words counts');
  t.match(await signatures('2026-11-26T17:10:00', ...damaged), [['data_corrupt']]);
  t.match(await signatures('2026-11-26T09:10:00', ...crashed), [['table_crashed']]);
  t.same(await signatures('2026-11-26T18:00:00', ...recovery, ...damaged, ...crashed), [], 'what was said long before says nothing of now');
});

t.test('what a container writes is read for the same signs', async (t) => {
  const engine = await startFakeEngine(t);
  const target = serviceTarget({ config: serviceConfig({ type: 'docker', container: 'shop', api: engine.api }), protocol: 'http' });
  engine.logs = Buffer.concat([logFrame(1, 'hello\n'), logFrame(2, 'Error: write failed: No space left on device\n')]);
  t.match(await look(probes.logTail, target), [{ kind: 'log', source: 'container', facts: { signature: 'no_space', count: 1 } }]);
  engine.exists = false;
  t.match(await look(probes.logTail, target), [{ source: 'container', missing: /No such container/ }]);
});

function smallCgroup(t: TestScope): string {
  const name = `gg-memory-${process.pid}.service`;
  for (const [root, file] of memoryHierarchies) {
    try {
      mkdirSync(`${root}/${name}`);
      t.teardown(() => until(() => (rmdirSync(`${root}/${name}`), true), { timeoutMs: 15_000, what: 'the cgroup to be empty' }));
      writeFileSync(`${root}/${name}/${file}`, String(16 * 1024 ** 2));
      return `${root}/${name}`;
    } catch {
      // the other one
    }
  }
  throw new Error('expected a memory controller');
}

function cannotRunOutOfMemory(): string | false {
  if (!isRoot) return 'needs root, to limit memory and to read the log of the kernel';
  // The kernel writes the numbers of the first pid namespace, whose inode is fixed.
  if (readlinkSync('/proc/self/ns/pid') !== 'pid:[4026531836]') return 'needs the first pid namespace, whose numbers the kernel logs';
  const scope: (() => unknown)[] = [];
  try {
    smallCgroup({ teardown: (run) => scope.push(run) });
    return false;
  } catch (error) {
    return `needs the memory controller of cgroups (${String(error)})`;
  } finally {
    for (const run of scope) void run();
  }
}
