/** Who listens where: sockets, their processes, and the units or containers that these belong to. From files only. */
import { readlink } from 'node:fs/promises';
import type { Address } from '../core/failure.ts';
import type { HostFiles } from '../doctor/host-files.ts';
import { isSame } from '../doctor/who-passes.ts';
import { parseTcpListeners, parseUnixListeners } from '../healer/socket-tables.ts';

/** One listening socket. Without `process` nobody who may be looked at holds it. */
export interface Listening {
  readonly address: Address;
  readonly process?: Owner;
}

export interface Owner {
  readonly pid: number;
  /** The program's name as the kernel keeps it. */
  readonly comm: string;
  /** The unit of the system's systemd, with `.service`. */
  readonly unit?: string;
  /** It runs in a container, or is the Engine's own proxy for one. */
  readonly isContainer: boolean;
}

const processesAtMost = 20_000;
const descriptorsAtMost = 4096;

/** Every socket that listens; which processes hold them only root sees of all. */
export async function whoListens(files: HostFiles): Promise<readonly Listening[]> {
  const table = async (name: string): Promise<string> => (await files.text(`/proc/net/${name}`)) ?? '';
  const sockets = [...parseTcpListeners(await table('tcp')), ...parseTcpListeners(await table('tcp6')), ...parseUnixListeners(await table('unix'))];
  const owners = await ownersOf(new Set(sockets.map(({ inode }) => inode)), files);
  return sockets.map(({ address, inode }) => {
    const process = owners.get(inode);
    return { address, ...(process ? { process } : {}) };
  });
}

/** What listens at this address, by whatever spelling. */
export function listensAtAddress(listening: readonly Listening[], address: Address): Listening | undefined {
  return listening.find((one) => isSame(one.address, address));
}

/** The oldest process counts: workers hold the socket of their master. */
async function ownersOf(inodes: ReadonlySet<string>, files: HostFiles): Promise<ReadonlyMap<string, Owner>> {
  const owners = new Map<string, Owner>();
  const pids = (await files.list('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids.toSorted((a, b) => a - b).slice(0, processesAtMost)) {
    for (const inode of await socketsOf(pid, files)) if (inodes.has(inode) && !owners.has(inode)) owners.set(inode, await ownerOf(pid, files));
  }
  return owners;
}

async function socketsOf(pid: number, files: HostFiles): Promise<readonly string[]> {
  const folder = `/proc/${pid}/fd`;
  const names = (await files.list(folder)).slice(0, descriptorsAtMost);
  const links = await Promise.all(names.map((name) => readlink(`${files.root}${folder}/${name}`).catch(() => '')));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}

async function ownerOf(pid: number, files: HostFiles): Promise<Owner> {
  const comm = ((await files.text(`/proc/${pid}/comm`)) ?? '').trim();
  const groups = (await files.text(`/proc/${pid}/cgroup`)) ?? '';
  const path = /^(?:0::|\d+:name=systemd:)(\/.*)$/m.exec(groups)?.[1] ?? '';
  // what a user's own systemd runs is not the system's to start
  const unit = path.startsWith('/user.slice/') ? undefined : /([^/]+\.service)$/.exec(path)?.[1];
  const isContainer = comm === 'docker-proxy' || /docker|libpod|containerd|\/lxc\//.test(path);
  return { pid, comm, isContainer, ...(unit === undefined || isContainer ? {} : { unit }) };
}
