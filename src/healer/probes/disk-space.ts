/**
 * Are the file systems full, or can nothing be written to them, that the service writes to as far as they are known?
 * Evidence `disk_full` and `disk_read_only` for each that is.
 */
import { dirname } from 'node:path';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe, ServiceTarget } from '../leaves.ts';
import { readText } from '../proc.ts';
import { isFull, isReadOnly, isSpent, readSpace, type DiskSpace } from './read-disk-space.ts';
import { logFilesOf } from './read-log-files.ts';

interface Place {
  readonly path: string;
  /** `sure`: the service writes there. `maybe`: most programs of its kind do at some time. `ours`: goodgateway does. */
  readonly use: 'sure' | 'maybe' | 'ours';
}

/** Applies to every service on this host. Nothing of a path that does not exist. */
export const diskSpace: Probe = {
  name: 'disk-space',
  deadlineMs: 150,
  // nothing is started on a full disk, so it is looked at before a start
  quick: true,
  applies: ({ config }) => config.type !== 'external',
  async look({ target }) {
    const places = placesOf(target);
    const spaces = await Promise.all(places.map(async (place) => ({ place, space: await readSpace(place.path) })));
    const mounts = readText('/proc/self/mountinfo');
    const devices = new Set<number>();
    return spaces.flatMap(({ place, space }) => {
      if (space === undefined) return [];
      if (typeof space === 'string') return [unseen(place.path, space)];
      if (devices.has(space.device)) return [];
      const found = [...(isFull(space) ? [fullEvidence(place, space)] : []), ...(place.use !== 'ours' && isReadOnly(space, mounts) ? [readOnlyEvidence(place)] : [])];
      if (found.length > 0) devices.add(space.device);
      return found;
    });
  },
};

function unseen(path: string, missing: string): Evidence {
  return { kind: 'disk_full', source: path, text: `How full the file system of ${path} is could not be seen.`, facts: { path }, missing };
}

function fullEvidence({ path, use }: Place, space: DiskSpace): Evidence {
  const { freeBytes, totalBytes, freeInodes } = space;
  const left = freeInodes === 0 ? 'no inode is left' : `${Math.floor(freeBytes / 1024 ** 2)} MiB of ${Math.floor(totalBytes / 1024 ** 2)} MiB are left`;
  return { kind: 'disk_full', source: path, text: `The file system of ${path} is full: ${left}.`, facts: { path, use, freeBytes, totalBytes, inodes: freeInodes === 0, spent: isSpent(space) } };
}

function readOnlyEvidence({ path, use }: Place): Evidence {
  return { kind: 'disk_read_only', source: '/proc/self/mountinfo', text: `Nothing can be written to the file system of ${path}: it is read-only.`, facts: { path, use } };
}

/** Data folders of Debian's packages, by the unit's or script's name. */
const dataFolders: Readonly<Record<string, string>> = { mariadb: '/var/lib/mysql', mysql: '/var/lib/mysql', 'redis-server': '/var/lib/redis', redis: '/var/lib/redis' };
/** Uploads, sockets and shared memory; PHP's sessions as Debian has them. */
const commonFolders: readonly string[] = ['/tmp', '/run', '/dev/shm'];
const phpFolders: readonly string[] = ['/var/lib/php/sessions'];

/** What is surely used comes first: of a file system that is named twice the first name is told. */
function placesOf(target: ServiceTarget): readonly Place[] {
  const { config, upstreams } = target;
  const name = config.type === 'systemd' ? config.unit.replace(/\.service$/, '') : config.type === 'init' ? config.script.replace(/^.*\//, '') : '';
  const data = dataFolders[name];
  const pidfile = config.type === 'init' || config.type === 'process' ? config.pidfile : undefined;
  const sure = [
    ...logFilesOf(target).map((file) => dirname(file)),
    ...(data === undefined ? [] : [data]),
    ...(pidfile === undefined ? [] : [dirname(pidfile)]),
    ...upstreams.flatMap((upstream) => (upstream.kind === 'unix' ? [dirname(upstream.path)] : [])),
  ];
  // where it is started is often a release, read-only on purpose
  const started = config.type === 'process' && config.folder !== undefined ? [config.folder] : [];
  const maybe = [...started, ...commonFolders, ...(target.protocol === 'fastcgi' ? phpFolders : [])];
  const all = [...sure.map((path) => ({ path, use: 'sure' }) as const), { path: target.stateFolder, use: 'ours' } as const, ...maybe.map((path) => ({ path, use: 'maybe' }) as const)];
  return all.filter(({ path }, index) => all.findIndex((one) => one.path === path) === index);
}
