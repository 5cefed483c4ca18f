import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

const folders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The absolute path of a program of this host, looked for where distributions put them; `undefined`: it is not here. */
export function findTool(name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find(canRun);
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
