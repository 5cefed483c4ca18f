/**
 * What of the service waits inside the kernel and cannot be ended meanwhile (state D at both ends of a short sample),
 * and in what: evidence `stuck_processes`. And who has not been waited for by its parent: evidence `zombies`.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe } from '../leaves.ts';
import { readStat, readText, type ProcessStat } from '../proc.ts';
import { readDisks } from './read-disks.ts';
import { processesOf } from './read-once.ts';
import { programOf } from './read-owner.ts';
import { readFamily } from './read-processes.ts';
import { sampleMs } from './read-sample.ts';
import { readSystemCall } from './read-system-call.ts';

const mostPids = 16;
const mostAskedForDisks = 4;
const mostStackBytes = 2000;

/** Applies to every service on this host. */
export const stuckProcesses: Probe = {
  name: 'stuck-processes',
  deadlineMs: 1500,
  quick: false,
  applies: ({ config }) => config.type !== 'external',
  async look(context, signal) {
    const { state, pids } = await context.serviceType.state(context.target, context.run, signal);
    const family = state === 'failed' ? [] : readFamily(pids, processesOf(context));
    const zombies = family.filter((row) => row.state === 'Z');
    const waiting = family.filter((row) => row.state === 'D');
    if (waiting.length > 0) await context.clock.sleep(sampleMs, signal);
    const stuck = waiting.filter((row) => isStillThere(row));
    return [...(stuck.length === 0 ? [] : [stuckEvidence(stuck, family.length)]), ...(zombies.length === 0 ? [] : [zombieEvidence(zombies)])];
  },
};

function isStillThere({ pid, startTicks }: ProcessStat): boolean {
  const now = readStat(pid);
  return now?.startTicks === startTicks && now.state === 'D';
}

function stuckEvidence(stuck: readonly ProcessStat[], total: number): Evidence {
  const [first] = stuck as readonly [ProcessStat];
  const place = readPlace(first.pid);
  const where = place.call === '' ? '' : `, in ${place.call}${words[place.what] ?? ''}`;
  const text = `${stuck.length} of ${total} processes wait inside the kernel (state D) and cannot be ended meanwhile: ${programOf(first)} (pid ${first.pid})${where}.`;
  return {
    kind: 'stuck_processes',
    source: '/proc',
    text,
    facts: { count: stuck.length, total, pids: stuck.slice(0, mostPids).map(({ pid }) => String(pid)), program: programOf(first), ...place, ...readPlaceOnDisk(stuck) },
  };
}

const words: Readonly<Record<string, string>> = {
  network_file_system: ': a network file system does not answer',
  fuse: ': a file system in user space does not answer',
  memory: ': memory must come back from the swap',
  disk: ': a disk is slow',
};

/** What the kernel's functions are about; the first that matches. */
const places: readonly (readonly [RegExp, string])[] = [
  [/\b(?:nfs|rpc|ceph|cifs|smb2?)_/, 'network_file_system'],
  [/\b(?:fuse|request_wait_answer)/, 'fuse'],
  [/\b(?:swap|do_swap_page)/, 'memory'],
  [/io_schedule|blk_|folio_wait|wait_on_page|jbd2|ext4_|xfs_|btrfs_|submit_bio|bit_wait_io/, 'disk'],
];

/** The kernel's function in which a process sleeps, and what that is about; both empty where the kernel does not say. */
function readPlace(pid: number): { readonly call: string; readonly what: string } {
  const stack = readText(`/proc/${pid}/stack`).slice(0, mostStackBytes);
  const channel = readText(`/proc/${pid}/wchan`);
  const call = /^\w{1,64}$/.test(channel) && channel !== '0' ? channel : (/\] (\w{1,64})\+/.exec(stack)?.[1] ?? '');
  return { call, what: places.find(([pattern]) => pattern.test(`${call}\n${stack}`))?.[1] ?? '' };
}

/** `disks`: where the files are that their calls are about (`disksAreSure`), or else all files that they have open. */
function readPlaceOnDisk(stuck: readonly ProcessStat[]): { readonly disks: readonly string[]; readonly disksAreSure: boolean } {
  const asked = stuck.slice(0, mostAskedForDisks);
  const named = asked.flatMap(({ pid }) => {
    const call = readSystemCall(pid);
    return call.kind === 'call' && callsOnFiles.includes(call.name) ? readDisks(pid, call.descriptors) : [];
  });
  const disks = named.length > 0 ? named : asked.flatMap(({ pid }) => readDisks(pid));
  return { disks: [...new Set(disks)], disksAreSure: named.length > 0 };
}

const callsOnFiles: readonly string[] = ['read', 'write', 'file'];

function zombieEvidence(zombies: readonly ProcessStat[]): Evidence {
  const parents = [...new Set(zombies.map(({ parent }) => parent))];
  const text = `${zombies.length} of its processes ${zombies.length === 1 ? 'has' : 'have'} ended, but the parent (pid ${parents.slice(0, 4).join(', ')}) has not asked how: they need no resources but a pid each.`;
  return { kind: 'zombies', source: '/proc', text, facts: { count: zombies.length, parents: parents.slice(0, mostPids).map(String) } };
}
