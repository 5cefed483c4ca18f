import { existsSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { thisInstallation } from '../supervisor/entry-points.ts';
import { writtenByUs } from './configured-units.ts';
import { packageFolder, serviceUnits } from './service-units.ts';

/** Units and drop-ins in this folder as `goodgateway units --write` wrote them; what somebody has changed is `edited`. */
export async function ownUnits(folder: string): Promise<{ readonly written: readonly string[]; readonly edited: readonly string[] }> {
  const services: Readonly<Record<string, string>> = serviceUnits(thisInstallation);
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^goodgateway[.-]/.test(name));
  const paths = (await Promise.all(names.map((name) => filesAt(folder, name)))).flat();
  const texts = await Promise.all(paths.map((path) => readFile(join(folder, path), 'utf8').catch(() => '')));
  const isOurs = (path: string, index: number): boolean => texts[index]?.startsWith(writtenByUs) === true || (services[path] !== undefined && texts[index] === services[path]);
  return { written: paths.filter(isOurs), edited: paths.filter((path, index) => !isOurs(path, index)) };
}

async function filesAt(folder: string, name: string): Promise<readonly string[]> {
  const about = await lstat(join(folder, name)).catch(() => undefined);
  if (!about?.isDirectory()) return about?.isFile() ? [name] : [];
  return (await readdir(join(folder, name)).catch(() => [])).map((below) => join(name, below));
}

/** The services that a package has brought: they are the package's to remove, and ours to stop. */
export function packagedUnits(): readonly string[] {
  return Object.keys(serviceUnits(thisInstallation)).filter((name) => existsSync(join(packageFolder, name)));
}
