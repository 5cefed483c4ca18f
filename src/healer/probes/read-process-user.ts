/** Who a process is for a person: its unit, its user; and what that user may reach. */
import { readFileSync } from 'node:fs';
import { readText } from '../proc.ts';
import { unitOf } from './read-owner.ts';

/** The user that a process acts as, and its groups. */
export interface ProcessUser {
  readonly uid: number;
  readonly gids: readonly number[];
}

/** The systemd unit that the process is in; empty where there is none. @see unitOf */
export function unitOfProcess(pid: number): string {
  return unitOf(readText(`/proc/${pid}/cgroup`));
}

/** The effective user of a process, with its groups; `undefined` when it is gone. */
export function processUser(pid: number): ProcessUser | undefined {
  const status = readText(`/proc/${pid}/status`);
  const numbers = (field: string): readonly number[] => (new RegExp(`^${field}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number);
  const [uid, gid] = [numbers('Uid')[1], numbers('Gid')[1]];
  return uid === undefined || gid === undefined ? undefined : { uid, gids: [gid, ...numbers('Groups')] };
}

/** The name of a user or a group on this host, or its number where it has none. */
export function nameOf(id: number, of: 'user' | 'group'): string {
  try {
    const line = readFileSync(of === 'user' ? '/etc/passwd' : '/etc/group', 'utf8')
      .split('\n')
      .find((entry) => entry.split(':')[2] === String(id));
    return line?.split(':')[0] || String(id);
  } catch {
    return String(id);
  }
}
