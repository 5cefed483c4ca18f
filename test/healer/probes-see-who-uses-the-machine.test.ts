/** Probes of load and limits against real processes: small shells that compute, hold, fork or wait. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Evidence } from '../../src/core/diagnosis.ts';
import { systemClock } from '../../src/core/time.ts';
import * as causes from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import type { Probe, ProbeContext, ServiceState, ServiceType } from '../../src/healer/leaves.ts';
import { readMemory, type GroupReading } from '../../src/healer/probes/read-control-group.ts';
import { readDisks } from '../../src/healer/probes/read-disks.ts';
import { kernelWords } from '../../src/healer/probes/read-kernel-lines.ts';
import { parseLve } from '../../src/healer/probes/read-lve.ts';
import { oomKillsIn } from '../../src/healer/probes/read-oom-kills.ts';
import { unitOf } from '../../src/healer/probes/read-owner.ts';
import * as probes from '../../src/healer/probes/registry.ts';
import { groupEvidence } from '../../src/healer/probes/tenant-limits.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { caseFile, evidence, serviceConfig, serviceTarget } from '../fixtures/healer/case-file.ts';
import { endAll, family, processInfo, signal } from '../support/processes.ts';
import { start } from '../support/program.ts';
import { isRoot, missing, programPath } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const target = serviceTarget({ config: serviceConfig({ type: 'process', start: ['/bin/true'] }), protocol: 'http' });
/** Begins when it is told to. A program's first five seconds say nothing of how it serves, so it is started before everything else. */
const computesLater = start(['/bin/sh', '-c', 'kill -STOP $$; while :; do :; done']);
t.teardown(() => endAll(() => family(computesLater.pid), 'SIGKILL'));

function context(pid: number, state: ServiceState['state'] = 'running'): ProbeContext {
  const serviceType: ServiceType = {
    name: 'process',
    state: async () => ({ state, text: `Process ${pid} is looked at.`, mainPid: pid, pids: [pid], fence: '' }),
    can: () => false,
    control: () => Promise.reject(new Error('a probe must not act')),
    configTest: () => undefined,
  };
  return { target, run: runCommand, clock: systemClock, serviceType, lastGoodMs: Date.now() - 60_000, dependencies: [] };
}

function look(probe: Probe, pid: number, state?: ServiceState['state']): Promise<readonly Evidence[]> {
  return probe.look(context(pid, state), AbortSignal.timeout(10_000));
}

t.test('the process that holds every descriptor it may is found', async (t) => {
  const pid = shell(t, 'ulimit -n 10; exec 3<&0 4<&0 5<&0 6<&0 7<&0 8<&0 9<&0; kill -STOP $$');
  await until(() => processInfo(pid)?.state === 'T', { timeoutMs: 15_000, what: 'all of them' });
  t.match(await look(probes.descriptors, pid), [{ kind: 'descriptors', text: /^sh \(pid \d+\) holds 1\d descriptors open of 10 that it may\.$/, facts: { pid, most: 10, grown: 0 } }]);
  t.same(await look(probes.descriptors, computesLater.pid), [], 'far from its limit there is nothing to tell');
  t.same(await look(probes.descriptors, pid, 'failed'), []);
});

t.test('a process that no signal can end is seen, with the place in the kernel where it waits', { skip: missing('python3') }, async (t) => {
  // after vfork the parent waits for the child's end in state D, as others wait for a disk
  const parent = start([programPath('python3'), '-c', 'import ctypes; c = ctypes.CDLL(None); c.vfork() or c.pause()']).pid;
  t.teardown(() => endAll(() => family(parent).filter(({ pid }) => pid !== parent || family(parent).length === 1), 'SIGKILL'));
  await until(() => family(parent).some(({ state }) => state === 'D'), { timeoutMs: 15_000, what: 'state D' });
  const [seen] = await look(probes.stuckProcesses, parent);
  t.match(seen, { kind: 'stuck_processes', text: /wait inside the kernel \(state D\)/, facts: { count: 1, total: 2, program: 'python3' } });
  if (isRoot) t.match(seen?.facts['call'], /^\w+$/);
});

t.test('of a process is seen on which disks its files are, and of which disk a descriptor is', { skip: existsSync('/sys/dev/block') ? false : 'no disks are seen here' }, async (t) => {
  const folder = tempFolder(t);
  const pid = shell(t, `exec 5>${folder}/file 6</dev/null 7<&-; kill -STOP $$`);
  await until(() => processInfo(pid)?.state === 'T', { timeoutMs: 15_000, what: 'its files' });
  const disks = readDisks(pid, [5]);
  t.equal(disks.length, 1, 'the file is on one disk');
  t.match(disks[0], /^[\w!:-]+$/);
  t.ok(readDisks(pid).includes(disks[0]!));
  t.same(readDisks(pid, [6, 99]), [], 'a device, and none');
  t.same(readDisks(2 ** 22 + 1), []);
});

t.test('limits of a group of its own are seen: no more processes, no more processor time', { skip: isRoot ? false : 'needs root, to make control groups' }, async (t) => {
  const pids = group(t, 'pids', { 'pids.max': '3' });
  const cpu = group(t, 'cpu', { 'cpu.max': '4000 100000', 'cpu.cfs_quota_us': '4000' });
  if (!pids || !cpu) return void t.pass('no controllers of groups here', { skip: true });
  const folder = tempFolder(t);
  const inside = `echo $$ > ${pids}/cgroup.procs; echo $$ > ${cpu}/cgroup.procs`;
  const full = shell(t, `${inside}; sleep 60 & sleep 60 & : > ${folder}/full; while :; do :; done`);
  await until(() => existsSync(join(folder, 'full')), { timeoutMs: 15_000, what: 'three processes' });
  const limits = async (limit: string) => (await look(probes.tenantLimits, full)).find(({ facts }) => facts['limit'] === limit);
  t.match(await limits('processes'), { kind: 'tenant_limit', facts: { now: 3, most: 3 }, text: /has 3 of 3 processes and threads that it may have/ });
  const held = await until(() => limits('cpu'), { timeoutMs: 20_000, what: 'a group that is held back' });
  t.match(held, { facts: { most: 0.04 }, text: /may use 0\.04 processors, and was held back in \d+ of \d+ periods just now\.$/ });
  shell(t, `while :; do sh -c 'echo $$ > ${pids}/cgroup.procs && (true)' 2> /dev/null; done`);
  const refused = await until(async () => [await limits('processes')].find((one) => Number(one?.facts['refused']) > 0), { timeoutMs: 20_000, what: 'a refusal' });
  t.match(refused.text, /\d+ more were refused just now\.$/);
  // the kernel counts it, and then writes the line
  const line = async () => (await look(probes.kernelLog, full)).find(({ facts }) => facts['what'] === 'fork_rejected' && facts['group'] === refused.facts['group']);
  t.match(await until(line, { timeoutMs: 15_000, what: 'the line of the kernel' }), { kind: 'kernel' });
});

t.test('who computes is named, and that the service waits for a processor because of it', async (t) => {
  const { pid } = computesLater;
  await until(async () => 'waitShare' in ((await look(probes.load, pid)).find(({ kind }) => kind === 'service_load')?.facts ?? {}), { timeoutMs: 20_000, what: 'a process that is old enough' });
  const asleep = await look(probes.load, pid);
  signal(pid, 'SIGCONT');
  // of one name and user, and yet not of the same command
  const stranger = shell(t, 'while :; do :; done');
  shell(t, `for each in ${'x '.repeat(3 * cpus().length)}; do while :; do :; done & done; wait`);
  const own = start([process.execPath, ourOwn(t)]).pid;
  t.teardown(() => endAll(() => family(own), 'SIGKILL'));
  const seen = await until(async () => withWaits(await look(probes.load, pid)), { timeoutMs: 20_000, what: 'a service that waits' });
  t.match(eaterIn(seen)?.text, /^sh \(\d+ processes, user \S+.*\) uses \d+\.\d of \d+ processors?\.$/);
  const named = eaterIn(seen)?.facts['pids'];
  t.notOk(
    family(stranger).some((one) => Array.isArray(named) && named.includes(String(one.pid))),
    'one command is one consumer',
  );
  t.same(
    seen.filter(({ kind, facts }) => kind === 'consumer' && Array.isArray(facts['pids']) && facts['pids'].includes(String(own))),
    [],
    'goodgateway itself is none',
  );
  const file = (...more: readonly Evidence[]) => caseFile({ target, evidence: [evidence('service_state', { state: 'running' }), ...more] });
  // how much the loops get of the processors, and so how sure it is, depends on what else runs here
  t.equal(diagnose(file(...seen), Object.values(causes)).best.cause, 'load.cpu');
  // the same busy machine, and a service that only sleeps
  const busyMachine = seen.filter(({ kind }) => kind !== 'service_load');
  t.equal(diagnose(file(...busyMachine, ...asleep.filter(({ kind }) => kind === 'service_load')), Object.values(causes)).best.cause, 'unknown');
  t.same(await look(probes.load, pid, 'failed'), []);
});

/** A program that is called as goodgateway is, and computes. */
function ourOwn(t: TestScope): string {
  const path = join(tempFolder(t), 'goodgateway');
  writeFileSync(path, 'for (;;);');
  return path;
}

function withWaits(seen: readonly Evidence[]): readonly Evidence[] | undefined {
  const facts = (kind: string) => seen.find((one) => one.kind === kind)?.facts ?? {};
  return eaterIn(seen) && Number(facts('service_load')['waitShare']) >= 0.5 && Number(facts('load')['idleShare']) <= 0.1 ? seen : undefined;
}

function eaterIn(seen: readonly Evidence[]): Evidence | undefined {
  return seen.find(({ kind, facts }) => kind === 'consumer' && facts['resource'] === 'cpu' && facts['program'] === 'sh' && facts['ofService'] === false && Number(facts['count']) > 1);
}

t.test("the kernel's lines are read as Linux writes them, and only at their beginning", (t) => {
  const rows: readonly (readonly [string, string, object])[] = [
    [
      'php-fpm8.2[14908]: segfault at 7ffea4a4bff8 ip 000056010fbfa038 sp 00007ffea4a4c000 error 6 in php-fpm8.2[383038,56010f954000+316000] likely on CPU 1',
      'segfault',
      { program: 'php-fpm8.2', pid: 14908, object: 'php-fpm8.2' },
    ],
    ['traps: node[77] trap invalid opcode ip:55d0 sp:7ffd error:0 in node[55d0+100]', 'segfault', { program: 'node', object: 'node' }],
    ['traps: php[7] general protection fault ip:55d0 sp:7ffd error:0 in opcache.so[55d0+100]', 'segfault', { object: 'opcache.so' }],
    ['nf_conntrack: nf_conntrack: table full, dropping packet', 'conntrack_full', {}],
    ['Buffer I/O error on dev sdk, logical block 262144, lost sync page write', 'io_error', { device: 'sdk' }],
    ['I/O error, dev nvme0n1, sector 81 op 0x0:(READ) flags 0x80700', 'io_error', { device: 'nvme0n1' }],
    ['EXT4-fs (sdk): Remounting filesystem read-only', 'read_only', { device: 'sdk' }],
    ['BTRFS info (device sda2 state E): forced readonly', 'read_only', { device: 'sda2' }],
    ['INFO: task php-fpm:21953 blocked for more than 122 seconds.', 'hung_task', { program: 'php-fpm', pid: 21953, seconds: 122 }],
    ['cgroup: fork rejected by pids controller in /system.slice/shop.service', 'fork_rejected', { group: '/system.slice/shop.service' }],
    ['TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:443. Sending cookies.', 'syn_flood', { port: 443 }],
    ['TCP: request_sock_TCP: Possible SYN flooding on port 9000. Sending cookies.  Check SNMP counters.', 'syn_flood', { port: 9000 }],
  ];
  for (const [text, what, fields] of rows) t.match(kernelWords([{ atMs: 1, text }]), [{ what, fields }], text);
  t.same(kernelWords([{ atMs: 1, text: '[UFW BLOCK] IN=eth0 INFO: task x:1 blocked for more than 9 seconds.' }]), []);
  const hostile = `INFO: task ${'a:1 '.repeat(2000)}`;
  const began = process.cpuUsage();
  const long = [hostile, `traps: ${'x'.repeat(8000)}`, `[ ${'1 '.repeat(4000)}`].map((text) => ({ atMs: 1, text }));
  t.same([...oomKillsIn(long), ...kernelWords(long)], []);
  t.ok(process.cpuUsage(began).user < 1_000_000, 'long lines cost no second of a processor');
  t.end();
});

t.test('of a kill for want of memory: who died, where memory ran out, and who had it', (t) => {
  const lines = [
    'php-fpm8.2 invoked oom-killer: gfp_mask=0x1100cca, order=0, oom_score_adj=0',
    'Tasks state (memory values in pages):',
    '[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name',
    '[    400]   107   400   300000    90000    89000     1000         0   900000        0             0 mariadbd',
    '[    501]    33   501    70000    50000    49000     1000         0   300000        0             0 php-fpm8.2',
    '[    502]    33   502    70000    50000    49000     1000         0   300000        0             0 php-fpm8.2',
    'oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/system.slice/mariadb.service,task=mariadbd,pid=400,uid=107',
    'Out of memory: Killed process 400 (mariadbd) total-vm:1200000kB, anon-rss:356000kB, file-rss:4000kB, shmem-rss:0kB, UID:107 pgtables:900kB oom_score_adj:0',
    'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/limited,task_memcg=/limited/inner,task=node,pid=7,uid=0',
    'Memory cgroup out of memory: Killed process 7 (node) total-vm:1kB, anon-rss:1kB, file-rss:1kB',
    '[Sat Jan 21 20:25:45 2017] Out of memory: Kill process 23386 (nginx) score 342 or sacrifice child',
  ].map((text) => ({ atMs: 1, text }));
  t.match(oomKillsIn(lines), [
    { pid: 400, program: 'mariadbd', scope: 'machine', group: '', victimGroup: '/system.slice/mariadb.service', eater: { program: 'php-fpm8.2', count: 2, pages: 100_000 } },
    { pid: 7, program: 'node', scope: 'group', group: '/limited', victimGroup: '/limited/inner', eater: undefined },
  ]);
  t.equal(oomKillsIn(lines).length, 2);
  t.end();
});

t.test('of two limits of memory the one that was met is told', (t) => {
  const folder = tempFolder(t);
  const gib = 1024 ** 3;
  const read = (high: number, max: number): GroupReading => {
    const files = { 'memory.current': gib, 'memory.high': gib, 'memory.max': 4 * gib, 'memory.events': `low 0\nhigh ${high}\nmax ${max}\noom 0` };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), `${text}\n`);
    return { path: '/system.slice/shop.service', memory: readMemory(folder), processes: undefined, cpu: undefined };
  };
  const told = (before: GroupReading, now: GroupReading) => groupEvidence(before, now, 1000).map(({ facts }) => [facts['property'], facts['most'], facts['refused']]);
  const before = read(3, 1);
  t.same(told(before, before), []);
  t.same(told(before, read(8, 1)), [['MemoryHigh', gib, 5]]);
  t.same(told(before, read(3, 2)), [['MemoryMax', 4 * gib, 1]]);
  writeFileSync(join(folder, 'memory.high'), 'max\n');
  t.match(readMemory(folder), { limits: [{ property: 'MemoryMax' }] });
  t.end();
});

t.test("tenants' limits are read by the names of the columns", (t) => {
  const table = [
    '11:LVE EP lCPU lIO CPU MEM IO lMEM lEP nCPU fMEM fEP lMEMPHY lCPUW lNPROC MEMPHY fMEMPHY NPROC fNPROC',
    '0,1001 20 100 1024 0 0 0 0 20 1 0 7 262144 0 100 9000 0 12 0',
    '0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0',
  ];
  t.same(parseLve(table.join('\n')), [
    { uid: 1001, name: 'EP', now: 20, most: 20, met: 7 },
    { uid: 1001, name: 'NPROC', now: 12, most: 100, met: 0 },
    { uid: 1001, name: 'MEMPHY', now: 9000, most: 262_144, met: 0 },
  ]);
  t.same(parseLve(''), []);
  t.end();
});

t.test('the unit of a process is the one that the system manager can limit', (t) => {
  t.equal(unitOf('0::/system.slice/backup.service'), 'backup.service');
  t.equal(unitOf('0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service'), 'user@1000.service');
  t.equal(unitOf('9:name=systemd:/system.slice/cron.service\n4:memory:/x'), 'cron.service');
  t.equal(unitOf("0::/system.slice/a'b;reboot.service"), '');
  t.equal(unitOf('0::/'), '');
  t.end();
});

/** As a service's, or a person's at another terminal: not of the test's own process group. */
function shell(t: TestScope, script: string): number {
  const { pid } = start(['/usr/bin/setsid', '/bin/sh', '-c', script]);
  t.teardown(() => endAll(() => family(pid), 'SIGKILL'));
  return pid;
}

/** A control group of the old or the new hierarchy with the files that it knows; `undefined` where there is no such controller. */
function group(t: TestScope, controller: string, settings: Readonly<Record<string, string>>): string | undefined {
  for (const root of [`/sys/fs/cgroup/${controller}`, '/sys/fs/cgroup']) {
    const folder = `${root}/gg-${controller}-${process.pid}`;
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    t.teardown(async () => {
      for (const pid of readFileSync(`${folder}/cgroup.procs`, 'utf8').split('\n')) if (pid !== '') signal(Number(pid), 'SIGKILL');
      await until(() => (rmdirSync(folder), true), { timeoutMs: 15_000, what: `${folder} to be empty` });
    });
    const known = Object.entries(settings).filter(([file]) => existsSync(`${folder}/${file}`));
    for (const [file, value] of known) writeFileSync(`${folder}/${file}`, value);
    if (known.length > 0) return folder;
  }
  return undefined;
}
