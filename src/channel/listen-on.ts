/**
 * Makes a server listen on a unix socket or a TCP port. A unix socket is never visible with the wrong mode, and a
 * socket file whose owner is dead is replaced; one whose owner lives is an error that says so. A socket that systemd
 * has handed over is used as it is: its rights are systemd's to set, its file is not removed at the end.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, readlinkSync, statSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatAddress, type Address } from '../core/failure.ts';
import { takeInherited } from './inherited-sockets.ts';
import { whyNotTrusted } from './whose-socket.ts';

export interface SocketPermissions {
  readonly owner?: string | undefined;
  readonly group?: string | undefined;
  /** Octal text such as `0660`. */
  readonly mode: string;
  /** A name that is the healer's alone: a socket that a stranger made there, while it was free, is removed and not respected. */
  readonly evenIfAnotherListens?: boolean;
}

/** Resolves when the server listens; rejects with a sentence that says what to do. */
export async function listenOn(server: Server, configured: Address, permissions: SocketPermissions): Promise<void> {
  const descriptor = takeInherited(configured);
  if (descriptor !== undefined) return adopt(server, descriptor, configured);
  const address = configured.kind === 'unix' ? { ...configured, path: placeOf(configured.path) } : configured;
  if (address.kind === 'unix') await removeStaleSocket(address.path, permissions);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(`cannot listen on ${formatAddress(address)}: ${explain(error)}`, { cause: error })));
    if (address.kind === 'tcp') return void server.listen(address.port, address.host, resolve);
    const before = process.umask(0o777 & ~Number.parseInt(permissions.mode, 8));
    try {
      server.listen({ path: address.path, backlog: 511 }, resolve);
    } finally {
      process.umask(before);
    }
  });
  if (address.kind !== 'unix') return;
  try {
    giveTo(address.path, permissions);
  } catch (error) {
    // what nobody was given serves nobody, and must not be in the way when it is tried again
    await new Promise((resolve) => server.close(resolve));
    throw error;
  }
}

/** What waits while the process is restarted; of a smaller number the kernel would let go of what systemd had asked for. */
const mostWaiting = 4096;

function adopt(server: Server, fd: number, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`cannot listen on ${formatAddress(address)}, which systemd handed over: ${error.message}`, { cause: error })));
    server.listen({ fd, backlog: mostWaiting }, resolve);
  });
}

/**
 * The kernel makes no socket through a link, so this goes where it leads. That is how root gives a proxy without rights
 * a place of its own for a socket whose name is in root's folder. Somebody else's link leads nowhere. Without a link, the path.
 */
export function placeOf(path: string): string {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found?.isSymbolicLink() || (found.uid !== 0 && found.uid !== process.getuid?.())) return path;
  return resolve(dirname(path), readlinkSync(path));
}

/** Gives a socket that stands to somebody else. Returns what takes it back; throws with a sentence when it may not. */
export function permitSocket(path: string, permissions: SocketPermissions): () => void {
  const place = placeOf(path);
  const { uid, gid, mode } = statSync(place);
  // what is not named is ours, as it is for a socket that is made
  giveTo(place, permissions, { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 });
  chmodSync(place, Number.parseInt(permissions.mode, 8));
  return () => {
    // best effort: the file may have been lost meanwhile, and is made anew as it has to be
    try {
      chownSync(place, uid, gid);
      chmodSync(place, mode & 0o777);
    } catch {}
  };
}

async function removeStaleSocket(path: string, { evenIfAnotherListens = false }: SocketPermissions): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new Error(`cannot listen on unix:${path}: a file that is no socket is in the way; move it or choose another path`);
  const isSquatted = evenIfAnotherListens && whyNotTrusted(path) !== undefined;
  if (!isSquatted && (await someoneListens(path))) throw new Error(`cannot listen on unix:${path}: another process listens there; is goodgateway running already?`);
  unlinkSync(path);
}

/** Enough for a turn of the event loop, which accepts all that have connected. */
const acceptMs = 20;

/**
 * To be called before the server is closed: who has connected to its unix socket, and was not accepted yet, would be
 * reset, with a request that was sent. So first nobody finds it any more, and who has found it is accepted. On TCP there is
 * no such way; a socket of systemd stays, and whoever waits in it.
 */
export async function acceptTheLast(server: Server): Promise<void> {
  const bound = server.address();
  if (typeof bound !== 'string') return;
  // best effort: it may be gone, and what is then lost was lost before
  try {
    unlinkSync(bound);
  } catch {}
  await sleep(acceptMs);
}

/** Does a process take connections on this unix socket? */
export function someoneListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'));
  });
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return 'another process listens there; is goodgateway running already?';
  if (error.code === 'EACCES') return `this user may not listen there (it runs as uid ${process.getuid?.() ?? '?'})`;
  return error.message;
}

/** At once or not at all. `others`: whose it is where nobody is named; -1: whose it was. */
function giveTo(path: string, { owner, group }: SocketPermissions, others: { readonly uid: number; readonly gid: number } = { uid: -1, gid: -1 }): void {
  const uid = owner === undefined ? others.uid : idOf('/etc/passwd', owner);
  const gid = group === undefined ? others.gid : idOf('/etc/group', group);
  if (uid === -1 && gid === -1) return;
  try {
    chownSync(path, uid, gid);
  } catch (error) {
    const to = [owner, group].filter((name) => name !== undefined).join(':');
    const cure = 'a process without rights gives its sockets only to its own user and group: set proxy.group to that group, or leave socket.owner and socket.group out';
    throw new Error(`cannot give unix:${path} to ${to}: ${cure}`, { cause: error });
  }
}

/** The number of a user or group name; numbers are taken as they are. */
function idOf(file: '/etc/passwd' | '/etc/group', name: string): number {
  if (/^\d+$/.test(name)) return Number(name);
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const id = line?.split(':')[2];
  if (id === undefined) throw new Error(`${file} has no "${name}": correct socket.owner or socket.group`);
  return Number(id);
}
