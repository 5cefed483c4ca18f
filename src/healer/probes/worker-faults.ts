/**
 * Where workers of the service crashed, by the kernel's log: evidence `kernel_fault` with the object (an extension, a
 * library, the program itself), its package, and when that package was last installed or upgraded. The kernel names a
 * program and a pid, no service: whose worker that was, the master's log says. Crashes of others are `kernel-log`'s.
 */
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Evidence } from '../../core/diagnosis.ts';
import { formatDuration } from '../../core/time.ts';
import type { Probe, ProbeContext, ServiceState } from '../leaves.ts';
import { readText } from '../proc.ts';
import { readDeath } from './read-deaths.ts';
import { readFpmPool } from './read-fpm-pool.ts';
import { readJournal } from './read-journal.ts';
import { readTail } from './read-lines.ts';
import { logFilesOf } from './read-log-files.ts';
import { kernelLogOf, processesOf } from './read-once.ts';
import { readFamily } from './read-processes.ts';

const longestMs = 600_000;
const dpkgTimeoutMs = 1000;
/** What was changed longer ago is hardly the trigger. */
const latelyMs = 3 * 86_400_000;

/** Applies to services with processes of their own. Silent where nothing crashed, or the kernel's log is not ours to read. */
export const workerFaults: Probe = {
  name: 'worker-faults',
  deadlineMs: 2000,
  quick: false,
  applies: ({ config }) => config.type !== 'external',
  async look(context, signal) {
    const state = await context.serviceType.state(context.target, context.run, signal);
    const family = readFamily(state.pids, processesOf(context));
    const names = new Set(family.map((row) => row.comm));
    const log = names.size > 0 ? kernelLogOf(context) : [];
    if (typeof log === 'string') return [];
    const likeOurs = log
      .filter((line) => line.atMs > context.clock.wallMs() - longestMs)
      .flatMap(({ text }) => readFault(text) ?? [])
      .filter(({ program }) => names.has(program));
    if (likeOurs.length === 0) return [];
    const dead = await deadPids(context, state, signal);
    const faults = likeOurs.filter(({ pid }) => dead.has(pid));
    const last = faults.at(-1);
    if (!last) return [];
    const count = faults.filter(({ object }) => object === last.object).length;
    const path =
      last.object === ''
        ? undefined
        : pathOf(
            last.object,
            family.map((row) => row.pid),
          );
    return [faultEvidence({ ...last, count }, path, await packageOf(path, context, signal), context.clock.wallMs())];
  },
};

/** Processes that this service has had and that have ended, as its own log, its journal and its manager tell. */
async function deadPids(context: ProbeContext, { lastMainPid }: ServiceState, signal: AbortSignal): Promise<ReadonlySet<number>> {
  const { target, run, clock } = context;
  const sinceMs = clock.wallMs() - longestMs;
  // a log that cannot be read is log-tail's to tell of
  const files = await Promise.all(logFilesOf(target).map((file) => readTail(file, sinceMs).catch(() => [])));
  const journal = await readJournal(target, sinceMs, { run, signal });
  const lines = [...files.flat(), ...(journal?.exitCode === 0 ? journal.output.split('\n') : [])];
  const pool = readFpmPool(target)?.name;
  const own = lines.flatMap((line) => readDeath(line) ?? []).filter((death) => pool === undefined || death.pool === undefined || death.pool === pool);
  return new Set([...own.map(({ pid }) => pid), ...(lastMainPid === undefined ? [] : [lastMainPid])]);
}

export interface Fault {
  readonly program: string;
  readonly pid: number;
  /** The file's name; empty when the instruction was in none. */
  readonly object: string;
}

/**
 * `php[4391]: segfault at 1 ip 0… sp 0… error 4 in ffi.so[97d0,7fb5c0167000+1c000]`, and the same after `traps: ` for
 * general protection and invalid opcodes. A program may have any name, so everything counts from `[pid]`.
 */
export function readFault(text: string): Fault | undefined {
  const found = /^(?:traps: )?(.{1,15})\[(\d{1,10})\]:? (?:segfault at|general protection fault|trap invalid opcode|trap divide error) /.exec(text);
  if (!found) return undefined;
  return { program: found[1]!, pid: Number(found[2]), object: / in ([\w.+-]{1,100})\[[0-9a-f,+]{1,60}\]/.exec(text)?.[1] ?? '' };
}

/** Where a living process has that object mapped; the dead one's map is gone. */
function pathOf(object: string, pids: readonly number[]): string | undefined {
  for (const pid of pids.slice(0, 4)) {
    const path = readText(`/proc/${pid}/maps`)
      .split('\n')
      .map((line) => line.slice(line.indexOf('/')))
      .find((mapped) => mapped.startsWith('/') && basename(mapped) === object);
    if (path !== undefined) return path;
  }
  return undefined;
}

interface Package {
  readonly name: string;
  readonly changedAtMs: number | undefined;
}

/** Debian's word; of other systems, and of what was built by hand, none. */
async function packageOf(path: string | undefined, { run }: ProbeContext, signal: AbortSignal): Promise<Package | undefined> {
  if (path === undefined) return undefined;
  // its records may still have the name of before /usr was merged
  const result = await run.run(['/usr/bin/dpkg-query', '-S', path, path.replace(/^\/usr\/lib\//, '/lib/')], { timeoutMs: dpkgTimeoutMs, signal });
  const name = /^([a-z0-9][a-z0-9.+-]{1,100})(?::[a-z0-9-]+)?: \//m.exec(result.output)?.[1];
  if (name === undefined) return undefined;
  const lists = [`/var/lib/dpkg/info/${name}.list`, `/var/lib/dpkg/info/${name}:${architecture()}.list`];
  return { name, changedAtMs: lists.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs).find((ms) => ms !== undefined) };
}

function architecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

function faultEvidence({ program, object, count }: Fault & { readonly count: number }, path: string | undefined, from: Package | undefined, nowMs: number): Evidence {
  const agoMs = from?.changedAtMs === undefined ? undefined : Math.max(0, nowMs - from.changedAtMs);
  const lately = agoMs !== undefined && agoMs < latelyMs;
  const what = object === '' ? 'outside of any file' : `in ${path ?? object}`;
  const owner = from ? ` of the package ${from.name}${lately ? `, which was installed or upgraded ${formatDuration(agoMs)} ago` : ''}` : '';
  return {
    kind: 'kernel_fault',
    source: '/dev/kmsg',
    text: `The kernel says that ${program} crashed ${count === 1 ? 'once' : `${count} times`} ${what}${owner}.`,
    facts: { program, object, count, ...(from && { package: from.name, lately }) },
  };
}
