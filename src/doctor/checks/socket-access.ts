/**
 * May nginx's user connect to the sockets that nginx passes to, now and after the next start of php-fpm? By owner, group
 * and mode of the socket and of each folder above it; nobody's identity is taken.
 */
import { dirname } from 'node:path';
import type { Address } from '../../core/failure.ts';
import { mayAccess, type User } from '../accounts.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { inForce, placeOf, type Nginx } from '../nginx/passes.ts';
import { placeIn, type Pool } from '../pools.ts';
import { poolAt } from '../who-passes.ts';

type Found = CheckResult['findings'];
type UnixAddress = Extract<Address, { readonly kind: 'unix' }>;

/** php-fpm gives its sockets this mode, and the master's user and group, where nothing is written. */
const usualMode = 0o660;

export const socketAccess: Check = {
  name: 'socket-access',
  family: 'configuration',
  deadlineMs: 15_000,
  finds: {
    'socket-missing': { severity: 'serious', when: 'nginx passes to a unix socket that is not there' },
    'socket-refused': { severity: 'serious', when: "nginx's user may not connect to a socket that it passes to: owner, group or mode of the socket, or of a folder above it" },
    'socket-refused-later': { severity: 'warning', when: "nginx's user may connect now, but not after the next start of php-fpm: its `listen.owner`, `listen.group`, `listen.mode` say otherwise" },
  },
  check: async (context) => {
    const { nginx, accounts } = context;
    if (!nginx) return { findings: [] };
    const name = inForce(nginx.main, 'user')[0]?.words[0];
    const user = accounts.user(name ?? '');
    if (!user)
      return {
        findings: await missing(context, nginx),
        unseen: [{ subject: 'sockets as nginx sees them', why: name ? `/etc/passwd has no ${name}` : `${nginx.file} has no "user", so its workers' user is not known` }],
      };
    const found = await Promise.all(socketsOf(nginx).map((one) => judge(context, { ...one, user })));
    return { findings: [...(await missing(context, nginx)), ...found.flat()] };
  },
};

interface Socket {
  readonly path: string;
  readonly place: string;
}

function socketsOf(nginx: Nginx): readonly Socket[] {
  const unix = (address: Address): address is UnixAddress => address.kind === 'unix';
  const found = nginx.passes.flatMap((pass) =>
    pass.addresses.filter(unix).map(({ path }) => ({ path, place: placeOf(pass.upstream?.peers.find(({ address }) => address?.kind === 'unix' && address.path === path)?.line ?? pass.line) })),
  );
  return [...new Map(found.map((one) => [one.path, one])).values()];
}

async function missing({ files }: DoctorContext, nginx: Nginx): Promise<Found> {
  const found: Found[number][] = [];
  for (const { path, place } of socketsOf(nginx)) {
    // what may not be seen is no proof that it is not there
    if ((await files.lstat(path)) || files.refused.includes(path)) continue;
    const others = (await files.list(dirname(path))).filter((name) => name.endsWith('.sock'));
    found.push({
      id: 'socket-missing',
      subject: path,
      what: `nginx passes to ${path}, which is not there.${others.length > 0 ? ` In its folder there are: ${others.slice(0, 5).join(', ')}.` : ''}`,
      why: 'Each request gets "502 Bad Gateway", or goes to the backup. After an upgrade of PHP the socket often has another name.',
      change: `start what listens there, or ${place}: name the socket that is there`,
      source: place,
    });
  }
  return found;
}

async function judge(context: DoctorContext, { path, place, user }: Socket & { readonly user: User }): Promise<Found> {
  const { files, accounts } = context;
  for (let folder = dirname(path), last = ''; folder !== last; last = folder, folder = dirname(folder)) {
    const about = await files.stat(folder);
    if (about && !mayAccess(user, about, 1)) return [refused(user, { path, place, at: folder, change: `chmod o+x ${folder}` })];
  }
  const about = await files.stat(path);
  const pool = poolAt(context, { kind: 'unix', path });
  // they can let in whom the mode keeps out, and are not seen here; with them php-fpm ignores owner and group
  if (pool?.setting('listen.acl_users') || pool?.setting('listen.acl_groups')) return [];
  if (about && !mayAccess(user, about, 2)) {
    const has = `it belongs to ${accounts.userName(about.uid)}:${accounts.groupName(about.gid)}, mode ${(about.mode & 0o777).toString(8).padStart(4, '0')}`;
    return [
      {
        ...refused(user, { path, place, at: path, change: pool ? ownerChange(context, pool, user) : changeOf(context, path, user) }),
        what: `The user ${user.name} of nginx may not connect to ${path}: ${has}.`,
      },
    ];
  }
  return pool && (await isRootsMaster(context, pool)) ? later(context, { pool, user, path }) : [];
}

function refused(user: User, { path, place, at, change }: Socket & { readonly at: string; readonly change: string }): Found[number] {
  return {
    id: 'socket-refused',
    subject: path,
    what: `The user ${user.name} of nginx may not reach ${path}, because of ${at}.`,
    why: 'nginx writes "(13: Permission denied)" and answers "502 Bad Gateway", or silently uses the backup server and never comes to this socket.',
    change,
    source: `${at}, named at ${place}`,
  };
}

/** A master of another user makes sockets of its own user, whatever is written. */
async function isRootsMaster({ files, processes }: DoctorContext, pool: Pool): Promise<boolean> {
  const master = processes.find(({ command }) => command.includes(`master process (${pool.main})`));
  return !master || (await files.stat(`/proc/${master.pid}`))?.uid === 0;
}

/** What the pool's own words would give at its next start. */
function later(context: DoctorContext, { pool, user, path }: { readonly pool: Pool; readonly user: User; readonly path: string }): Found {
  const { accounts } = context;
  const [owner, group, mode] = [pool.setting('listen.owner'), pool.setting('listen.group'), pool.setting('listen.mode')];
  const uid = owner ? idOf(owner.value, accounts.user(owner.value)?.uid) : 0;
  const gid = group ? idOf(group.value, accounts.groupId(group.value)) : owner ? (accounts.user(owner.value)?.gids[0] ?? -1) : 0;
  const bits = mode && /^0?[0-7]{3}$/.test(mode.value) ? Number.parseInt(mode.value, 8) : usualMode;
  if (mayAccess(user, { uid, gid, mode: bits }, 2)) return [];
  return [
    {
      id: 'socket-refused-later',
      subject: path,
      what: `It works now, but at its next start php-fpm makes the socket for ${accounts.userName(uid)}:${accounts.groupName(gid)} with mode ${bits.toString(8).padStart(4, '0')}, which the user ${user.name} of nginx may not use.`,
      why: 'Somebody changed the socket by hand, or an upgrade replaced the file of the pool. After the next restart nginx gets "(13: Permission denied)" and answers 502.',
      change: ownerChange(context, pool, user),
      source: placeIn(pool, mode ?? group ?? owner),
    },
  ];
}

function ownerChange({ accounts }: DoctorContext, pool: Pool, user: User): string {
  return `${pool.file}, below [${pool.name}]: listen.owner = ${user.name} and listen.group = ${accounts.groupName(user.gids[0] ?? 0)} and listen.mode = 0660`;
}

function changeOf({ configuration, accounts }: DoctorContext, path: string, user: User): string {
  const gateway = Object.entries(configuration?.host.gateways ?? {}).find(([, { listen }]) => listen.some((address) => address.kind === 'unix' && address.path === path));
  const group = accounts.groupName(user.gids[0] ?? 0);
  return gateway ? `gateways.${gateway[0]}.socket: { group: ${group}, mode: "0660" }, then restart goodgateway` : `chgrp ${group} ${path} && chmod g+rw ${path}, and say so where its service makes it`;
}

function idOf(text: string, known: number | undefined): number {
  return known ?? (/^\d+$/.test(text) ? Number(text) : -1);
}
