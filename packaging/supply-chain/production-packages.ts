/** What an installation holds besides goodgateway: the packages of package-lock.json that are not for development. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** The project's own folder. */
export const project = join(import.meta.dirname, '..', '..');

export interface ProductionPackage {
  /** Where it lies in the project: `node_modules/ajv/node_modules/fast-uri`. */
  readonly place: string;
  readonly name: string;
  readonly version: string;
  /** As the package itself says it: an SPDX expression. */
  readonly licence: string;
  /** npm would run a script of it while it is installed. */
  readonly hasInstallScript: boolean;
}

const entry = z.object({
  version: z.string(),
  license: z.string().optional(),
  dev: z.boolean().default(false),
  hasInstallScript: z.boolean().default(false),
});
const lock = z.object({ lockfileVersion: z.literal(3), packages: z.record(z.string(), entry) });

/** In the order of the lock file. Throws when the file is not one of npm's third version. */
export function productionPackages(): readonly ProductionPackage[] {
  const { packages } = lock.parse(JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')));
  return Object.entries(packages)
    .filter(([place, { dev }]) => place !== '' && !dev)
    .map(([place, { version, license, hasInstallScript }]) => ({
      place,
      name: place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      licence: license ?? 'unknown',
      hasInstallScript,
    }));
}
