/** Are the file systems full that the service writes to, as far as they are known? Evidence `disk_full` for each that is. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe, ServiceTarget } from '../leaves.ts';
import { isFull, readSpace } from './read-disk-space.ts';
import { logFilesOf } from './read-log-files.ts';

/** Applies to every service on this host. Nothing of a path that does not exist. */
export const diskSpace: Probe = {
  name: 'disk-space',
  deadlineMs: 1000,
  quick: false,
  applies: ({ config }) => config.type !== 'external',
  async look({ target }) {
    const byDevice = new Map<number, string>();
    for (const path of foldersOf(target)) {
      const device = await stat(path).then(
        ({ dev }) => dev,
        () => undefined,
      );
      if (device !== undefined && !byDevice.has(device)) byDevice.set(device, path);
    }
    const looked = await Promise.all([...byDevice.values()].map(lookAt));
    return looked.flat();
  },
};

async function lookAt(path: string): Promise<readonly Evidence[]> {
  const space = await readSpace(path);
  if (typeof space === 'string') return [{ kind: 'disk_full', source: path, text: `How full the file system of ${path} is could not be seen.`, facts: { path }, missing: space }];
  if (!isFull(space)) return [];
  const left = space.freeInodes === 0 ? 'no inode is left' : `${Math.floor(space.freeBytes / 1024 ** 2)} MiB of ${Math.floor(space.totalBytes / 1024 ** 2)} MiB are left`;
  return [{ kind: 'disk_full', source: path, text: `The file system of ${path} is full: ${left}.`, facts: { path, freeBytes: space.freeBytes, totalBytes: space.totalBytes } }];
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
