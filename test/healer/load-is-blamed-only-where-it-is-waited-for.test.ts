/** What causes make of the machine's load, its limits and its kernel's words: pure tables. */
import t from 'tap';
import type { Suspect } from '../../src/core/diagnosis.ts';
import * as registered from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import { caseFile, evidence, type Scene } from '../fixtures/healer/case-file.ts';

const causes = Object.values(registered);
const gib = 1024 ** 3;

const running = evidence('service_state', { state: 'running' });
const failed = (more = {}) => evidence('service_state', { state: 'failed', ...more });
const nobody = evidence('listener', { address: '127.0.0.1:9000', current: true, state: 'nobody' });
const queue = (length: number) => evidence('listener', { address: '127.0.0.1:9000', current: true, state: 'listening', queue: length });
const workers = (busy: number, idle: number) => evidence('workers', { total: busy + idle, busy, idle, stopped: 0 });
const pool = (maxChildren: number) => evidence('fpm_pool', { pool: 'www', file: '/etc/php/8.2/fpm/pool.d/www.conf', line: 12, maxChildren });
const answered = evidence('http_answer', { result: 'status' });
const log = (signature: string, text = signature) => evidence('log', { signature, count: 1 }, text);

const machine = (more = {}) =>
  evidence('load', {
    cores: 2,
    runnable: 2,
    idleShare: 0.8,
    stolenShare: 0,
    memoryBytes: 8 * gib,
    availableBytes: 4 * gib,
    cpuSome: 0.1,
    memorySome: 0,
    memoryFull: 0,
    ioSome: 0,
    ioFull: 0,
    disk: 'sda',
    diskBusyShare: 0.1,
    ...more,
  });
const busy = machine({ idleShare: 0, runnable: 9, cpuSome: 0.9 });
const service = (more = {}) => evidence('service_load', { cores: 0.2, residentBytes: gib, majorFaultsPerS: 0, ioBytesPerS: 0, wantedShare: 0, waitShare: 0, ...more });
const waits = service({ wantedShare: 3, waitShare: 0.8 });
const sleeps = service({ wantedShare: 0.01, waitShare: 0.9 });
const consumer = (resource: string, share: number, more = {}) =>
  evidence('consumer', {
    resource,
    share,
    amount: 1.8,
    program: 'stress-ng',
    user: 'backup',
    unit: 'night.service',
    count: 4,
    pids: ['7', '8'],
    ofService: false,
    what: `stress-ng uses much ${resource}`,
    ...more,
  });
const itself = { program: 'php-fpm8.2', user: 'www-data', ofService: true, what: 'php-fpm8.2 uses 1.9 of 2 processors' };

const swapping = machine({ memorySome: 0.6, memoryFull: 0.3, availableBytes: 0.1 * gib });
const faults = service({ majorFaultsPerS: 400 });
const stuck = (count: number, more = {}) =>
  evidence('stuck_processes', { count, total: 6, pids: ['41', '42'], program: 'php-fpm8.2', call: 'io_schedule', what: 'disk', disks: ['sda'], disksAreSure: true, ...more });
const slowDisk = machine({ ioSome: 0.8, ioFull: 0.6, diskBusyShare: 1 });
const kernel = (what: string, more = {}) => evidence('kernel', { what, count: 1, ...more }, `The kernel says: ${what}`);
const descriptors = (open: number, most: number, grown = 0) => evidence('descriptors', { pid: 77, program: 'node', open, most, grown });
const limit = (name: string, more = {}) => evidence('tenant_limit', { limit: name, group: '/system.slice/shop.service', unit: 'shop.service', now: 20, most: 20, refused: 0, ...more });
const oom = (more = {}) => evidence('oom_kill', { pid: 7, program: 'mariadbd', scope: 'machine', group: '', ...more });
const full = (more = {}) => evidence('disk_full', { path: '/var/log', use: 'sure', freeBytes: 0, totalBytes: 1e9, inodes: false, ...more });
const readOnly = (use = 'sure') => evidence('disk_read_only', { path: '/var/lib/mysql', use });
const memoryOfWorkers = (room: number) => evidence('worker_memory', { medianBytes: 42e6, availableBytes: room * 42e6, room, workers: 5 });
const silent = { symptom: { kind: 'no_progress' }, traffic: { inFlight: 5, noProgressMs: 20_000 } } as const;

interface Row {
  readonly scene: string;
  readonly file: Scene;
  readonly best: readonly [Suspect['cause'], Suspect['confidence']];
  /** What sentence, remedy or warnings must say. */
  readonly says?: RegExp;
  readonly never?: readonly Suspect['cause'][];
  /** What there being no worker left says besides: it follows then, is no more than likely, and more workers are no cure. */
  readonly exhausted?: RegExp;
}

const rows: readonly Row[] = [
  {
    scene: 'somebody else computes, and the workers wait for a processor',
    file: { evidence: [running, workers(5, 0), pool(5), busy, waits, consumer('cpu', 0.9)] },
    best: ['load.cpu', 'certain'],
    says: /^stress-ng uses much cpu; what shop has to compute waits.*systemctl set-property --runtime night\.service CPUQuota=50%.*More workers would only share/,
  },
  {
    scene: 'somebody without a unit computes',
    file: { evidence: [running, workers(5, 0), busy, waits, consumer('cpu', 0.9, { unit: '' })] },
    best: ['load.cpu', 'certain'],
    says: /renice -n 19 -p 7 8/,
  },
  {
    scene: 'a database computes, which may do so for the service itself',
    file: { evidence: [running, workers(5, 0), busy, waits, consumer('cpu', 0.9, { program: 'mariadbd', unit: 'mariadb.service' })] },
    best: ['load.cpu', 'certain'],
    says: /See first what mariadbd works on: it may be for shop itself.*If it is not: systemctl set-property --runtime mariadb\.service/,
  },
  {
    scene: 'another program of its own unit computes: a limit would hold the service back, too',
    file: { evidence: [running, workers(5, 0), busy, waits, consumer('cpu', 0.9, { unit: 'php8.2-fpm.service' })] },
    best: ['load.cpu', 'certain'],
    says: /Hold it back: renice -n 19 -p 7 8/,
  },
  {
    scene: 'the machine is busy, and the workers sleep: whatever they wait for, it is no processor',
    file: { evidence: [running, workers(5, 0), pool(5), busy, sleeps, consumer('cpu', 0.9)] },
    best: ['capacity.workers_exhausted', 'certain'],
    never: ['load.cpu'],
  },
  {
    scene: 'the machine is busy, and the service answers in time',
    file: { evidence: [running, workers(1, 4), answered, busy, waits, consumer('cpu', 0.9)] },
    best: ['unknown', 'possible'],
    never: ['load.cpu'],
  },
  {
    scene: 'the machine is busy, and what visitors meet is a refusal',
    file: { symptom: { kind: 'http_response_incomplete' }, evidence: [running, workers(1, 4), busy, waits, consumer('cpu', 0.9)] },
    best: ['unknown', 'possible'],
    never: ['load.cpu'],
  },
  {
    scene: 'the machine is busy, and the service is dead',
    file: { evidence: [failed(), nobody, busy, consumer('cpu', 0.9)] },
    best: ['service.crashed', 'certain'],
    never: ['load.cpu'],
  },
  {
    scene: 'the machine is busy, and every process of the service is stopped',
    file: { ...silent, evidence: [running, evidence('processes', { total: 6, stopped: 6 }), busy, waits, consumer('cpu', 0.9)] },
    best: ['service.hung', 'certain'],
    never: ['load.cpu'],
  },
  {
    scene: 'workers wait for a processor although one is free: a moment of bad luck',
    file: { evidence: [running, machine({ idleShare: 0.4 }), waits, consumer('cpu', 0.5)] },
    best: ['unknown', 'possible'],
    never: ['load.cpu'],
  },
  {
    scene: 'the queue has just begun, and is not yet one of ten seconds',
    file: { evidence: [running, machine({ idleShare: 0, cpuSome: 0.2 }), waits, consumer('cpu', 0.9)] },
    best: ['load.cpu', 'likely'],
  },
  {
    scene: 'it computes too much itself',
    file: { evidence: [running, workers(5, 0), busy, waits, consumer('cpu', 0.95, itself)] },
    best: ['load.cpu', 'likely'],
    says: /shop itself has more to compute.*More workers would only share/,
  },
  {
    scene: 'the host below takes the processors',
    file: { evidence: [running, machine({ idleShare: 0.2, stolenShare: 0.5 }), waits] },
    best: ['load.cpu', 'likely'],
    says: /The host of this virtual machine takes its processors away.*A reboot does not change it/,
  },
  {
    scene: 'a kernel without pressure: the queue says it',
    file: { evidence: [running, evidence('load', { cores: 2, runnable: 12, idleShare: 0, stolenShare: 0 }), waits, consumer('cpu', 0.9)] },
    best: ['load.cpu', 'certain'],
  },
  {
    scene: 'nobody could see whether its threads wait',
    file: { evidence: [running, workers(5, 0), pool(5), busy, evidence('service_load', { cores: 0.2 }), consumer('cpu', 0.9)] },
    best: ['capacity.workers_exhausted', 'certain'],
    never: ['load.cpu'],
  },
  {
    scene: 'somebody else holds the memory, and the service waits for its pages',
    file: { evidence: [running, workers(5, 0), pool(5), swapping, faults, consumer('memory', 0.7, { amount: 5 * gib })] },
    best: ['load.memory', 'certain'],
    says: /memory is short, and shop waits for it\..*MemoryHigh=3584M/,
  },
  {
    scene: 'memory is short, and nobody holds most of it',
    file: { evidence: [running, swapping, service()] },
    best: ['load.memory', 'likely'],
    says: /^Memory is short, and shop waits for it/,
  },
  {
    scene: 'it holds the memory itself',
    file: { evidence: [running, workers(5, 0), swapping, faults, consumer('memory', 0.8, itself)] },
    best: ['load.memory', 'likely'],
    says: /Give shop fewer workers/,
  },
  {
    scene: 'little memory is available, and nobody waits for it: that is what memory is for',
    file: { evidence: [running, machine({ availableBytes: 0.1 * gib }), service(), consumer('memory', 0.7)] },
    best: ['unknown', 'possible'],
    never: ['load.memory'],
  },
  {
    scene: 'somebody else keeps the disk busy, and the workers are stuck',
    file: { evidence: [running, workers(4, 1), stuck(4), slowDisk, service(), consumer('io', 0.95, { disks: ['sda'] })] },
    best: ['load.io', 'certain'],
    says: /4 processes of shop wait inside the kernel for the disk sda\..*IOWeight=10.*Not even kill -9/,
  },
  {
    scene: 'somebody else keeps another disk busy',
    file: { evidence: [running, workers(4, 1), stuck(4, { disks: ['loop0'] }), slowDisk, service(), consumer('io', 0.95, { disks: ['sda'] })] },
    best: ['load.io', 'likely'],
    says: /^4 processes of shop wait inside the kernel for the disk loop0\. See which disk is slow/,
  },
  {
    scene: 'nobody could see where the other one works',
    file: { evidence: [running, workers(4, 1), stuck(4), slowDisk, service(), consumer('io', 0.95, { disks: [] })] },
    best: ['load.io', 'likely'],
    says: /^stress-ng uses much io; .*See first whether stress-ng works on the same disk: ls -l \/proc\/7\/fd\. Hold it back/,
  },
  {
    scene: 'both have files on one disk, which is the busy one',
    file: { evidence: [running, workers(4, 1), stuck(4, { disks: ['sda', 'sdb'], disksAreSure: false }), slowDisk, service(), consumer('io', 0.95, { disks: ['sda'] })] },
    best: ['load.io', 'certain'],
  },
  {
    scene: 'both have files on one disk, and it is not the busy one',
    file: { evidence: [running, workers(4, 1), stuck(4, { disks: ['sda', 'sdb'], disksAreSure: false }), slowDisk, service(), consumer('io', 0.95, { disks: ['sdb'] })] },
    best: ['load.io', 'likely'],
  },
  {
    scene: 'a disk whose waiting has just begun, and is one of nearly all the time',
    file: { evidence: [running, workers(5, 0), pool(5), stuck(5), machine({ ioSome: 0.1, ioSomeNow: 0.95 }), service(), consumer('io', 0.95, { disks: ['sda'] })] },
    best: ['load.io', 'certain'],
  },
  {
    scene: 'every worker there may be is busy, and waits for a disk',
    file: { evidence: [running, workers(5, 0), pool(5), memoryOfWorkers(60), stuck(5), slowDisk, service()] },
    best: ['load.io', 'likely'],
    exhausted: /more workers would wait for it, too\. Do not restart/,
  },
  {
    scene: 'every worker there may be is busy, and the kernel says of each that it waits for a disk',
    file: { evidence: [running, workers(5, 0), pool(5), memoryOfWorkers(60), evidence('worker_waits', { on: 'disk', thing: '', count: 5, busy: 5 })] },
    best: ['capacity.workers_exhausted', 'likely'],
    exhausted: /more workers would wait for it, too\. Do not restart/,
  },
  {
    scene: 'every worker there may be is busy, and its group is out of memory',
    file: { evidence: [running, workers(5, 0), pool(5), memoryOfWorkers(60), limit('memory', { refused: 166, most: gib }), faults, machine()] },
    best: ['limit.tenant', 'likely'],
    exhausted: /more workers would wait for it, too\. Do not restart/,
  },
  {
    scene: 'every worker there may be is busy, memory is short, and they wait for pages',
    file: { evidence: [running, workers(5, 0), pool(5), memoryOfWorkers(60), swapping, faults] },
    best: ['load.memory', 'likely'],
    exhausted: /more workers would wait for it, too\. Do not restart/,
  },
  {
    scene: 'every worker there may be is busy, and waits for a processor',
    file: { evidence: [running, workers(5, 0), pool(5), memoryOfWorkers(60), busy, waits] },
    best: ['load.cpu', 'likely'],
    exhausted: /more workers would wait for it, too\. Do not restart/,
  },
  {
    scene: 'memory has just become short, and is nearly all the time',
    file: { evidence: [running, workers(5, 0), machine({ memorySome: 0.1, memorySomeNow: 0.9 }), faults, consumer('memory', 0.7, { amount: 5 * gib })] },
    best: ['load.memory', 'certain'],
  },
  {
    scene: 'the queue for the processors is two seconds old, and goes on',
    file: { evidence: [running, machine({ idleShare: 0, cpuSome: 0.18, cpuSomeNow: 0.99 }), waits, consumer('cpu', 0.9)] },
    best: ['load.cpu', 'certain'],
  },
  {
    scene: 'the queue for the processors is a short spike',
    file: { evidence: [running, machine({ idleShare: 0, cpuSome: 0.05, cpuSomeNow: 0.99 }), waits, consumer('cpu', 0.9)] },
    best: ['load.cpu', 'likely'],
  },
  {
    scene: 'somebody else computes, and what visitors meet is a connection that does not come about',
    file: { symptom: { kind: 'connection_timeout' }, evidence: [running, workers(0, 5), queue(0), evidence('http_answer', { result: 'timeout' }), busy, waits, consumer('cpu', 0.9)] },
    best: ['unknown', 'possible'],
    never: ['load.cpu'],
  },
  {
    scene: 'somebody else computes, and connections wait that the workers do not come to take',
    file: { symptom: { kind: 'connection_timeout' }, evidence: [running, workers(5, 0), queue(9), busy, waits, consumer('cpu', 0.9)] },
    best: ['load.cpu', 'likely'],
  },
  {
    scene: 'a network file system does not answer: idle workers beside, silence and a queue look like a hang',
    file: { ...silent, evidence: [running, workers(4, 1), queue(3), stuck(4, { call: 'rpc_wait_bit_killable', what: 'network_file_system' }), machine(), service()] },
    best: ['load.io', 'likely'],
    says: /wait inside the kernel for a network file system.*findmnt -t nfs/,
    never: ['service.hung'],
  },
  {
    scene: 'the kernel complains of a process that is still stuck',
    file: { ...silent, evidence: [running, workers(4, 1), stuck(4, { call: '', what: '' }), machine(), kernel('hung_task', { pid: 42, program: 'php-fpm8.2', seconds: 120 })] },
    best: ['load.io', 'certain'],
    never: ['service.hung'],
  },
  {
    scene: "the kernel complained of another service's process",
    file: { ...silent, evidence: [running, workers(4, 1), stuck(4, { call: '', what: '' }), machine(), kernel('hung_task', { pid: 9, program: 'mariadbd', seconds: 120 })] },
    best: ['load.io', 'possible'],
  },
  {
    scene: 'one of many waits for a disk, as one does',
    file: { evidence: [running, workers(5, 0), pool(5), stuck(1), slowDisk, consumer('io', 0.95)] },
    best: ['capacity.workers_exhausted', 'certain'],
    never: ['load.io'],
  },
  {
    scene: 'most processes wait for a disk at the very moment of the quick look: no hang',
    file: { ...silent, evidence: [running, evidence('processes', { total: 6, stopped: 0, diskWait: 5, zombie: 0 }), queue(3), evidence('http_answer', { result: 'timeout' })] },
    best: ['unknown', 'possible'],
    never: ['service.hung'],
  },
  {
    scene: 'every descriptor is used',
    file: { evidence: [running, descriptors(1024, 1024, 3)] },
    best: ['capacity.file_descriptors', 'certain'],
    says: /node of shop holds 1024 of the 1024.*goes on to open more.*prlimit --pid 77 --nofile=2048:2048.*only puts the same end off/,
  },
  { scene: 'nearly every descriptor is used, and more are opened', file: { evidence: [running, descriptors(1000, 1024, 3)] }, best: ['capacity.file_descriptors', 'likely'] },
  { scene: 'nearly every descriptor is used, which some programs do', file: { evidence: [running, descriptors(1000, 1024)] }, best: ['unknown', 'possible'], never: ['capacity.file_descriptors'] },
  {
    scene: 'its log said so, and it has some again',
    file: { evidence: [running, log('file_descriptors.node', 'EMFILE: too many open files')] },
    best: ['capacity.file_descriptors', 'possible'],
    says: /it has some again/,
  },
  {
    scene: 'its group may have no more processes, and the kernel refuses them',
    file: { evidence: [running, limit('processes', { refused: 4 })] },
    best: ['limit.tenant', 'certain'],
    says: /held back by a limit of its own.*systemctl set-property shop\.service TasksMax=40/,
  },
  {
    scene: 'its group has all processes that it may, and it answers well',
    file: { symptom: { kind: 'status_5xx', text: '3 of 90 answers were errors' }, evidence: [running, limit('processes'), evidence('http_answer', { result: 'status', status: 200 })] },
    best: ['limit.tenant', 'possible'],
  },
  { scene: 'its group has all processes that it may', file: { evidence: [running, limit('processes')] }, best: ['limit.tenant', 'likely'] },
  {
    scene: 'the kernel refused it a process earlier, and the limit is used up',
    file: { evidence: [running, limit('processes'), kernel('fork_rejected', { group: '/system.slice/shop.service' })] },
    best: ['limit.tenant', 'certain'],
  },
  {
    scene: 'a quota holds its workers back',
    file: { evidence: [running, workers(5, 0), pool(5), limit('cpu', { most: 0.5, heldShare: 0.9, refused: 3 }), waits, machine()] },
    best: ['limit.tenant', 'certain'],
    says: /CPUQuota=100%/,
  },
  {
    scene: 'a quota holds something back that nobody waits for',
    file: { evidence: [running, workers(5, 0), pool(5), limit('cpu', { most: 0.5, heldShare: 0.9, refused: 3 }), sleeps, machine()] },
    best: ['capacity.workers_exhausted', 'certain'],
    never: ['limit.tenant'],
  },
  {
    scene: 'its group is full of files that it has read, and gives them back',
    file: { evidence: [running, limit('memory', { refused: 30, most: gib }), service(), machine()] },
    best: ['unknown', 'possible'],
    never: ['limit.tenant'],
  },
  {
    scene: 'its group is out of memory, and it waits for its pages',
    file: { evidence: [running, limit('memory', { refused: 30, most: gib, property: 'MemoryMax' }), faults, machine()] },
    best: ['limit.tenant', 'likely'],
    says: /set-property shop\.service MemoryMax=1536M/,
  },
  {
    scene: 'its group met the limit that slows it down; the hard one may be far away',
    file: { evidence: [running, limit('memory', { refused: 30, most: gib, property: 'MemoryHigh' }), faults, machine()] },
    best: ['limit.tenant', 'likely'],
    says: /set-property shop\.service MemoryHigh=1536M,/,
  },
  {
    scene: 'CloudLinux refuses a tenant more requests at once',
    file: { evidence: [running, limit('EP', { refused: 7, uid: 1001, group: 'LVE 1001', unit: '' })] },
    best: ['limit.tenant', 'certain'],
    says: /lvectl set 1001/,
  },
  {
    scene: 'the one that died is not the one that ate the memory',
    file: { evidence: [failed({ oomKilled: true }), nobody, oom({ eater: 'php-fpm8.2', eaterCount: 40 })] },
    best: ['oom.killed', 'certain'],
    says: /because memory ran out; most of it had php-fpm8\.2 \(40 processes\)\..*give php-fpm8\.2 less/,
  },
  {
    scene: 'only its own group was out of memory',
    file: { evidence: [failed(), nobody, oom({ scope: 'group', group: '/system.slice/shop.service', eater: 'mariadbd', eaterCount: 1 })] },
    best: ['oom.killed', 'certain'],
    says: /its control group \/system\.slice\/shop\.service had used up its memory limit\..*MemoryMax=/,
  },
  {
    scene: 'no inode is left',
    file: { evidence: [running, workers(1, 4), full({ inodes: true }), log('no_space')] },
    best: ['disk.full', 'certain'],
    says: /every inode is used.*du --inodes -x \/var\/log/,
  },
  {
    scene: 'its file system is read-only after errors of the disk',
    file: { evidence: [running, readOnly(), kernel('io_error', { device: 'sda1' }), kernel('read_only', { device: 'sda1' }), log('storage_readonly')] },
    best: ['disk.full', 'certain'],
    says: /Nothing can be written to the file system of \/var\/lib\/mysql.*it is read-only.*findmnt -T \/var\/lib\/mysql.*may damage/,
  },
  { scene: 'its file system is read-only, and it has not complained', file: { evidence: [running, readOnly()] }, best: ['disk.full', 'likely'] },
  { scene: '/tmp is full, and it does not complain', file: { evidence: [running, full({ path: '/tmp', use: 'maybe' })] }, best: ['unknown', 'possible'], never: ['disk.full'] },
  { scene: '/tmp is full, and it complains of some disk', file: { evidence: [running, full({ path: '/tmp', use: 'maybe' }), log('no_space')] }, best: ['disk.full', 'likely'] },
  {
    scene: 'a full pool, and memory for more workers',
    file: { evidence: [running, workers(5, 0), pool(5), memoryOfWorkers(60)] },
    best: ['capacity.workers_exhausted', 'certain'],
    says: /raise pm\.max_children in \/etc\/php\/8\.2\/fpm\/pool\.d\/www\.conf:12 to 10 \(there is memory for 65\)\. Do not restart/,
  },
  {
    scene: 'a full pool, and no memory for more workers',
    file: { evidence: [running, workers(5, 0), pool(5), memoryOfWorkers(0)] },
    best: ['capacity.workers_exhausted', 'certain'],
    says: /no memory for more workers, so do not raise/,
  },
  {
    scene: "the kernel's complaints about others are no cause",
    file: {
      evidence: [
        running,
        workers(1, 4),
        kernel('segfault', { program: 'other', pid: 3 }),
        kernel('oom_kill', { program: 'other', pid: 4, scope: 'group', group: '/x' }),
        kernel('io_error', { device: 'sdb' }),
        kernel('hung_task', { pid: 5 }),
      ],
    },
    best: ['unknown', 'possible'],
  },
];

for (const { scene, file, best, says, never, exhausted } of rows) {
  t.test(scene, (t) => {
    const diagnosis = diagnose(caseFile(file), causes);
    t.same([diagnosis.best.cause, diagnosis.best.confidence], best, diagnosis.best.sentence);
    const { sentence, remedy, avoid = [] } = diagnosis.best;
    if (says) t.match([sentence, remedy, ...avoid].join(' '), says);
    if (exhausted) {
      const busyOnes = [diagnosis.best, ...diagnosis.others].find(({ cause }) => cause === 'capacity.workers_exhausted');
      t.equal(busyOnes?.confidence, 'likely');
      t.match(busyOnes?.remedy, exhausted);
      t.notMatch(busyOnes?.remedy, /raise/);
    }
    const suspected = [diagnosis.best, ...diagnosis.others].map(({ cause }) => cause);
    t.same(
      suspected.filter((cause) => never?.includes(cause)),
      [],
    );
    t.match(sentence, /[.!?]$/, 'a whole sentence');
    t.ok(diagnosis.best.because.length > 0, 'says why');
    t.notMatch(JSON.stringify(diagnosis), /undefined|NaN/);
    t.end();
  });
}
