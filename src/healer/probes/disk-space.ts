/** Are the file systems full that the service writes to, as far as they are known? Evidence `disk_full` for each that is. */
import { dirname } from 'node:path';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe, ServiceTarget } from '../leaves.ts';
import { isFull, readSpace, type DiskSpace } from './read-disk-space.ts';
import { logFilesOf } from './read-log-files.ts';

/** Applies to every service on this host. Nothing of a path that does not exist. */
export const diskSpace: Probe = {
  name: 'disk-space',
  deadlineMs: 150,
  // nothing is started on a full disk, so it is looked at before a start
  quick: true,
  applies: ({ config }) => config.type !== 'external',
  async look({ target }) {
    const spaces = await Promise.all([...new Set(foldersOf(target))].map(async (path) => ({ path, space: await readSpace(path) })));
    const devices = new Set<number>();
    return spaces.flatMap(({ path, space }) => {
      if (space === undefined) return [];
      if (typeof space === 'string') return [unseen(path, space)];
      if (devices.has(space.device) || !isFull(space)) return [];
      devices.add(space.device);
      return [fullEvidence(path, space)];
    });
  },
};

function unseen(path: string, missing: string): Evidence {
  return { kind: 'disk_full', source: path, text: `How full the file system of ${path} is could not be seen.`, facts: { path }, missing };
}

function fullEvidence(path: string, { freeBytes, totalBytes, freeInodes }: DiskSpace): Evidence {
  const left = freeInodes === 0 ? 'no inode is left' : `${Math.floor(freeBytes / 1024 ** 2)} MiB of ${Math.floor(totalBytes / 1024 ** 2)} MiB are left`;
  return { kind: 'disk_full', source: path, text: `The file system of ${path} is full: ${left}.`, facts: { path, freeBytes, totalBytes } };
}

/** Data folders of Debian's packages, by the unit's or script's name. */
const dataFolders: Readonly<Record<string, string>> = { mariadb: '/var/lib/mysql', mysql: '/var/lib/mysql', 'redis-server': '/var/lib/redis', redis: '/var/lib/redis' };

function foldersOf(target: ServiceTarget): readonly string[] {
  const { config } = target;
  const name = config.type === 'systemd' ? config.unit.replace(/\.service$/, '') : config.type === 'init' ? config.script.replace(/^.*\//, '') : '';
  const data = dataFolders[name];
  const pidfile = config.type === 'init' || config.type === 'process' ? config.pidfile : undefined;
  return [
    ...logFilesOf(target).map((file) => dirname(file)),
    ...(data === undefined ? [] : [data]),
    ...(config.type === 'process' && config.folder !== undefined ? [config.folder] : []),
    ...(pidfile === undefined ? [] : [dirname(pidfile)]),
    target.stateFolder,
  ];
}
