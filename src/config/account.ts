/** The user and group that the proxy runs as, from their names to the numbers that the kernel knows. */
import { readFile } from 'node:fs/promises';
import type { HostConfig } from './host-schema.ts';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** `account` is absent where the proxy runs as whoever starts it. */
export type AccountRead = { readonly ok: true; readonly account?: Account } | { readonly ok: false; readonly reason: string };

const files = { passwd: '/etc/passwd', group: '/etc/group' };

/**
 * The account that `proxy.user` and `proxy.group` name, or why they cannot be obeyed, as a sentence. An account with
 * rights is refused: to have none is the only purpose of the two keys.
 */
export async function proxyAccount({ user, group }: HostConfig['proxy'], from: typeof files = files): Promise<AccountRead> {
  if (user === undefined) return group === undefined ? { ok: true } : refused('proxy.group needs proxy.user: a group alone takes no rights away');
  const known = await entryOf(from.passwd, user);
  if (!known) return refused(`proxy.user: ${from.passwd} has no "${user}": make it (useradd --system ${user}), or name another one`);
  const groupKnown = group === undefined ? undefined : await entryOf(from.group, group);
  if (group !== undefined && !groupKnown) return refused(`proxy.group: ${from.group} has no "${group}": make it (groupadd --system ${group}), or name another one`);
  const [uid, gid] = [Number(known[2]), Number(groupKnown ? groupKnown[2] : known[3])];
  if (!Number.isInteger(uid) || !Number.isInteger(gid)) return refused(`proxy.user: the line of "${user}" in ${from.passwd} names no numbers`);
  if (uid === 0 || gid === 0) return refused(`${uid === 0 ? `proxy.user: "${user}"` : `proxy.group: "${group ?? known[3] ?? ''}"`} is root's, which has every right: expected one without`);
  return { ok: true, account: { uid, gid } };
}

async function entryOf(file: string, name: string): Promise<readonly string[] | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[0] === name);
}

function refused(reason: string): AccountRead {
  return { ok: false, reason };
}
