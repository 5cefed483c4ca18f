/** Users and groups from /etc/passwd and /etc/group, and what a file's mode gives to them. Nobody's identity is taken. */
import type { Stats } from 'node:fs';
import type { HostFiles } from './host-files.ts';

/** A user as the kernel judges it: number, groups with the supplementary ones. */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gids: readonly number[];
}

/** Name services other than the two files (LDAP, SSSD) are not asked. */
export interface Accounts {
  user(name: string): User | undefined;
  groupId(name: string): number | undefined;
  /** For people: the name, else the number. */
  userName(uid: number): string;
  groupName(gid: number): string;
}

export async function readAccounts(files: HostFiles): Promise<Accounts> {
  const rows = async (path: string) => ((await files.text(path)) ?? '').split('\n').map((line) => line.split(':'));
  const [passwd, group] = [await rows('/etc/passwd'), await rows('/etc/group')];
  const groupId = (name: string): number | undefined => numberAt(group, name, 2);
  return {
    groupId,
    user: (name) => {
      const [uid, gid] = [numberAt(passwd, name, 2), numberAt(passwd, name, 3)];
      if (uid === undefined || gid === undefined) return undefined;
      const more = group.filter((row) => (row[3] ?? '').split(',').includes(name)).map((row) => Number(row[2]));
      return { name, uid, gids: [gid, ...more] };
    },
    userName: (uid) => passwd.find((row) => row[2] === String(uid))?.[0] ?? String(uid),
    groupName: (gid) => group.find((row) => row[2] === String(gid))?.[0] ?? String(gid),
  };
}

/** May this user do it, by owner, group and mode? `1` search or execute, `2` write, `4` read. @see path_resolution(7) */
export function mayAccess(user: User, { uid, gid, mode }: Pick<Stats, 'uid' | 'gid' | 'mode'>, wanted: 1 | 2 | 4): boolean {
  if (user.uid === 0) return true;
  const shift = user.uid === uid ? 6 : user.gids.includes(gid) ? 3 : 0;
  return (mode & (wanted << shift)) !== 0;
}

function numberAt(rows: readonly (readonly string[])[], name: string, column: number): number | undefined {
  const text = rows.find((row) => row[0] === name)?.[column];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
