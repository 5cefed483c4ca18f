/**
 * Who uses the machine: the programs that took most processor time, moved most bytes from and to disks, and hold most
 * memory, each as program, user and unit together (or, where no unit is, as what one command started). Evidence `consumer`, at
 * most three for each; goodgateway itself is none.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import { readText, type ProcessStat } from '../proc.ts';
import { readDisks } from './read-disks.ts';
import { ownProcesses } from './read-own-processes.ts';
import { programOf, readOwners, type Owner } from './read-owner.ts';

/** One process, and what it did between two readings. */
export interface ProcessChange {
  readonly row: ProcessStat;
  /** Processors that it kept busy. */
  readonly cores: number;
  readonly residentBytes: number;
  readonly grownBytesPerS: number;
  /** Waits for a page of memory to come from a disk. */
  readonly majorFaultsPerS: number;
  /** From and to disks; 0 where nobody could look. */
  readonly ioBytesPerS: number;
}

interface Resource {
  readonly name: 'cpu' | 'memory' | 'io';
  readonly of: (change: ProcessChange) => number;
  /** What the machine has, or what all processes together do, of it. */
  readonly whole: number;
  /** Less than that is not worth a word. */
  readonly least: number;
  readonly say: (amount: number) => string;
}

/** Processes of which the owner is looked up, for each resource. */
const mostLookedUp = 40;
const mostPids = 16;
const mostAskedForDisks = 4;
const mostConsumers = 3;

/** `own`: the service's processes. `cores`, `memoryBytes`: what the machine has. */
export function consumersOf(all: readonly ProcessChange[], own: ReadonlySet<number>, machine: { readonly cores: number; readonly memoryBytes: number }): readonly Evidence[] {
  const ours = ownProcesses(all.map(({ row }) => row));
  const changes = all.filter(({ row }) => own.has(row.pid) || !ours.has(row.pid));
  const allIo = all.reduce((sum, { ioBytesPerS }) => sum + ioBytesPerS, 0);
  const resources: readonly Resource[] = [
    { name: 'cpu', of: ({ cores }) => cores, whole: machine.cores, least: 0.2, say: (cores) => `uses ${cores.toFixed(1)} of ${machine.cores} ${machine.cores === 1 ? 'processor' : 'processors'}` },
    {
      name: 'memory',
      of: ({ residentBytes }) => residentBytes,
      whole: machine.memoryBytes,
      least: 0.1 * machine.memoryBytes,
      say: (bytes) => `holds ${mib(bytes)} of ${mib(machine.memoryBytes)} of memory`,
    },
    { name: 'io', of: ({ ioBytesPerS }) => ioBytesPerS, whole: allIo, least: 1024 ** 2, say: (bytes) => `reads and writes ${mib(bytes)} a second` },
  ];
  const tops = resources.map((resource) => changes.toSorted((one, other) => resource.of(other) - resource.of(one)).slice(0, mostLookedUp));
  const owners = readOwners([...new Set(tops.flat().map(({ row }) => row.pid))]);
  return resources.flatMap((resource, index) =>
    groupsOf(tops[index]!, { owners, own })
      .flatMap((group) => evidenceOf(group, resource))
      .toSorted((one, other) => Number(other.facts['amount']) - Number(one.facts['amount']))
      .slice(0, mostConsumers),
  );
}

interface Group {
  readonly owner: Owner;
  readonly ofService: boolean;
  readonly program: string;
  readonly members: readonly ProcessChange[];
}

function groupsOf(changes: readonly ProcessChange[], { owners, own }: { readonly owners: ReadonlyMap<number, Owner>; readonly own: ReadonlySet<number> }): readonly Group[] {
  const groups = Map.groupBy(changes, ({ row }) => {
    const owner = owners.get(row.pid);
    // what was started by one command is one; two programs of one name and user are not, unless a unit holds them together
    const together = own.has(row.pid) || owner?.unit !== '' ? '' : row.group;
    return JSON.stringify([row.comm, owner, own.has(row.pid), together]);
  });
  return [...groups.values()].flatMap((members) => {
    const { row } = members[0]!;
    const owner = owners.get(row.pid);
    return owner ? [{ owner, ofService: own.has(row.pid), program: programOf(row), members }] : [];
  });
}

function evidenceOf({ owner, ofService, program, members }: Group, { name, of, whole, least, say }: Resource): readonly Evidence[] {
  const amount = members.reduce((sum, member) => sum + of(member), 0);
  if (amount < least) return [];
  const working = members.filter((member) => of(member) > 0).map(({ row }) => row.pid);
  const who = [working.length === 1 ? `pid ${working[0]}` : `${working.length} processes`, `user ${owner.user}`, ...(owner.unit === '' ? [] : [owner.unit])].join(', ');
  const grownBytesPerS = members.reduce((sum, member) => sum + member.grownBytesPerS, 0);
  const facts = {
    resource: name,
    amount,
    share: whole > 0 ? amount / whole : 0,
    program,
    user: owner.user,
    unit: owner.unit,
    count: working.length,
    pids: working.slice(0, mostPids).map(String),
    ofService,
    ...(name === 'io' && !ofService ? { disks: [...new Set(working.slice(0, mostAskedForDisks).flatMap((pid) => readDisks(pid)))] } : {}),
  };
  const what = `${program} (${who}) ${say(amount)}`;
  return [{ kind: 'consumer', source: '/proc', text: `${what}${ofService ? ', as a part of the service' : ''}.`, facts: { ...facts, what, ...(name === 'memory' ? { grownBytesPerS } : {}) } }];
}

/** As people say it. */
export function mib(bytes: number): string {
  return bytes >= 10 * 1024 ** 3 ? `${(bytes / 1024 ** 3).toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}

/** Bytes that a process has had read and written by disks; `undefined` where that may not be seen. */
export function readIoBytes(pid: number): number | undefined {
  const text = readText(`/proc/${pid}/io`);
  const count = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? NaN);
  const bytes = count('read_bytes') + count('write_bytes');
  return Number.isNaN(bytes) ? undefined : bytes;
}
