/** The service's processes wait inside the kernel for a disk or a file system. They are not hung: no restart ends that. */
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, factsOf, sentences, type Fact } from './read-case.ts';
import { calmDown, isUnderPressure, nameOf, noRestart, signsOfSlowness, stranger } from './read-load.ts';
import { hungTask, stuckInKernel } from './read-stuck.ts';

/** Of the sample a disk had work; of the last ten seconds somebody waited for one. */
const busyDisk = 0.9;
const someWait = 0.3;
const muchOfAll = 0.5;

/**
 * Certain when they are seen stuck and either somebody else is seen to keep the very disk busy that they wait for, or the
 * kernel itself says that they are stuck for minutes.
 */
export const loadIo: Cause = {
  name: 'load.io',
  suspect(file) {
    const stuck = stuckInKernel(file);
    const signs = signsOfSlowness(file);
    if (!stuck || signs.length === 0 || stuck.word('what') === 'memory') return undefined;
    const machine = factOf(file, 'load');
    const own = factOf(file, 'service_load');
    const complaint = hungTask(file);
    const isBusy = machine !== undefined && ((machine.number('diskBusyShare') ?? 0) >= busyDisk || isUnderPressure(machine, 'io', someWait) || (own?.number('groupIoSome') ?? 0) >= someWait);
    const user = isBusy && ['disk', ''].includes(stuck.word('what')) ? stranger(file, 'io', muchOfAll) : undefined;
    const isSame = user !== undefined && isAtSameDisk({ stuck, user, machine });
    // whoever works on another disk is not blamed; where that is not known, not beside the kernel's own complaint
    const other = user && (isSame || (mayBeAtSameDisk(stuck, user) && !complaint)) ? user : undefined;
    const { name } = file.target;
    const known = isBusy || stuck.word('what') !== '';
    return {
      cause: 'load.io',
      confidence: complaint || isSame ? 'certain' : known ? 'likely' : 'possible',
      subject: other ? nameOf(other) : subjectOf(stuck, machine),
      sentence: `${other ? `${other.word('what')}; ` : ''}${stuck.number('count')} ${stuck.number('count') === 1 ? 'process' : 'processes'} of ${name} wait inside the kernel for ${thingOf(stuck)}.`,
      because: sentences(stuck, complaint, other, isBusy && machine, ...deviceErrors(file), ...signs),
      against: [],
      remedy: other
        ? `${isSame ? '' : seeWhere(other)}${calmDown(file, { consumer: other, resource: 'io' })}`
        : (cure[stuck.word('what')] ?? 'See which disk is slow, and who keeps it so: cat /proc/diskstats; dmesg | tail -50'),
      avoid: [noRestart(file), 'Not even kill -9 ends a process in this state; it only adds to what must be cleared up afterwards.'],
    };
  },
};

const thing: Readonly<Record<string, string>> = { network_file_system: 'a network file system', fuse: 'a file system in user space (FUSE)', disk: 'a disk' };
const cure: Readonly<Record<string, string>> = {
  network_file_system: 'Heal the file server or the network to it first; which one: findmnt -t nfs,nfs4,cifs,ceph',
  fuse: 'Heal the program behind the file system first; which one: findmnt -t fuse,fuse.sshfs,fuse.mergerfs,fuse.s3fs',
};

interface AtDisk {
  readonly stuck: Fact;
  readonly user: Fact;
  readonly machine: Fact | undefined;
}

/** Both have files on the disk that the stuck call is about; where the call does not tell, on the one that has no rest. */
function isAtSameDisk({ stuck, user, machine }: AtDisk): boolean {
  const shared = user.list('disks').filter((disk) => stuck.list('disks').includes(disk));
  const busiest = (machine?.number('diskBusyShare') ?? 0) >= busyDisk ? machine?.word('disk') : undefined;
  return stuck.flag('disksAreSure') ? shared.length > 0 : shared.some((disk) => disk === busiest);
}

/** Nobody could see where one of the two works, or they do have a disk in common. */
function mayBeAtSameDisk(stuck: Fact, user: Fact): boolean {
  const [own, others] = [stuck.list('disks'), user.list('disks')];
  return own.length === 0 || others.length === 0 || own.some((disk) => others.includes(disk));
}

function seeWhere(user: Fact): string {
  return `See first whether ${user.word('program')} works on the same disk: ls -l /proc/${user.list('pids')[0]}/fd. `;
}

function thingOf(stuck: Fact): string {
  const what = stuck.word('what');
  const [disk, ...more] = stuck.list('disks');
  // a number is nobody's name for it
  if ((what === 'disk' || what === '') && stuck.flag('disksAreSure') && more.length === 0 && disk !== undefined && !disk.includes(':')) return `the disk ${disk}`;
  return thing[what] ?? 'a disk or a file system';
}

function subjectOf(stuck: Fact, machine: Fact | undefined): string {
  const what = stuck.word('what');
  if (what === 'network_file_system' || what === 'fuse') return thing[what]!;
  return machine?.word('disk') || 'a disk or a file system';
}

/** A dying disk is slow before it fails. */
function deviceErrors(file: CaseFile): readonly Fact[] {
  return factsOf(file, 'kernel').filter((one) => one.word('what') === 'io_error');
}
