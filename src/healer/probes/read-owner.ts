/** Whose a process is: its user, and what systemd calls the unit that it belongs to. */
import { existsSync, statSync } from 'node:fs';
import { executableOf, readText } from '../proc.ts';

export interface Owner {
  /** The user's name, or its number where it has none. */
  readonly user: string;
  /** The unit of the system's own systemd: a service or a session's scope; empty where there is none. */
  readonly unit: string;
}

/** Looks many owners up, and reads the names of users once. `undefined` for a process that is gone. */
export function readOwners(pids: readonly number[]): ReadonlyMap<number, Owner> {
  const names = new Map([...readText('/etc/passwd').matchAll(/^([^:\n]+):[^:\n]*:(\d+):/gm)].map(([, name = '', uid = '']) => [uid, name]));
  // a unit can only be limited where systemd runs
  const hasSystemd = existsSync('/run/systemd/system');
  const owners = new Map<number, Owner>();
  for (const pid of pids) {
    const uid = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
    if (uid !== undefined) owners.set(pid, { user: names.get(String(uid)) ?? String(uid), unit: hasSystemd ? unitOf(readText(`/proc/${pid}/cgroup`)) : '' });
  }
  return owners;
}

/**
 * The outermost unit on the path of a control group: what is inside another unit is not the system manager's. A name
 * that a shell would read otherwise is none: it becomes a part of commands.
 */
export function unitOf(cgroup: string): string {
  const path = /^(?:0::|\d+:name=systemd:)(\/.*)$/m.exec(cgroup)?.[1] ?? '';
  return path.split('/').find((part) => /^[\w@:.-]{1,200}\.(?:service|scope)$/.test(part)) ?? '';
}

/** What a person calls the program. It may give itself any name, so nothing but plain characters is left of it. */
export function programOf({ pid, comm }: { readonly pid: number; readonly comm: string }): string {
  return (comm === nodesName ? executableOf(pid) || comm : comm).replace(/[^\x21-\x7e]/g, '?').slice(0, 32);
}

/** Node names its first thread so. */
const nodesName = 'MainThread';
