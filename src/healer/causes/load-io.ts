/** The service's processes wait inside the kernel for a disk or a file system. They are not hung: no restart ends that. */
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, factsOf, sentences, type Fact } from './read-case.ts';
import { calmDown, nameOf, noRestart, signsOfSlowness, stranger } from './read-load.ts';
import { hungTask, stuckInKernel } from './read-stuck.ts';

/** Of the sample a disk had work; of the last ten seconds somebody waited for one. */
const busyDisk = 0.9;
const someWait = 0.3;
const muchOfAll = 0.5;

/**
 * Certain when they are seen stuck and either somebody else is seen to keep a busy disk so, or the kernel itself says
 * that they are stuck for minutes.
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
    const isBusy = machine !== undefined && ((machine.number('diskBusyShare') ?? 0) >= busyDisk || (machine.number('ioSome') ?? 0) >= someWait || (own?.number('groupIoSome') ?? 0) >= someWait);
    const other = isBusy && ['disk', ''].includes(stuck.word('what')) ? stranger(file, 'io', muchOfAll) : undefined;
    const { name } = file.target;
    const known = isBusy || stuck.word('what') !== '';
    return {
      cause: 'load.io',
      confidence: complaint || other ? 'certain' : known ? 'likely' : 'possible',
      subject: other ? nameOf(other) : subjectOf(stuck, machine),
      sentence: `${other ? `${other.word('what')}; ` : ''}${stuck.number('count')} ${stuck.number('count') === 1 ? 'process' : 'processes'} of ${name} wait inside the kernel for ${thing[stuck.word('what')] ?? 'a disk or a file system'}.`,
      because: sentences(stuck, complaint, other, isBusy && machine, ...deviceErrors(file), ...signs),
      against: [],
      remedy: other ? calmDown(file, { consumer: other, resource: 'io' }) : (cure[stuck.word('what')] ?? 'See which disk is slow, and who keeps it so: cat /proc/diskstats; dmesg | tail -50'),
      avoid: [noRestart(file), 'Not even kill -9 ends a process in this state; it only adds to what must be cleared up afterwards.'],
    };
  },
};

const thing: Readonly<Record<string, string>> = { network_file_system: 'a network file system', fuse: 'a file system in user space (FUSE)', disk: 'a disk' };
const cure: Readonly<Record<string, string>> = {
  network_file_system: 'Heal the file server or the network to it first; which one: findmnt -t nfs,nfs4,cifs,ceph',
  fuse: 'Heal the program behind the file system first; which one: findmnt -t fuse,fuse.sshfs,fuse.mergerfs,fuse.s3fs',
};

function subjectOf(stuck: Fact, machine: Fact | undefined): string {
  const what = stuck.word('what');
  if (what === 'network_file_system' || what === 'fuse') return thing[what]!;
  return machine?.word('disk') || 'a disk or a file system';
}

/** A dying disk is slow before it fails. */
function deviceErrors(file: CaseFile): readonly Fact[] {
  return factsOf(file, 'kernel').filter((one) => one.word('what') === 'io_error');
}
