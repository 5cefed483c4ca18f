import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { project } from './production-packages.ts';
import { sourceDate } from './source-date.ts';

const bill = z.looseObject({
  bomFormat: z.literal('CycloneDX'),
  serialNumber: z.string(),
  metadata: z.looseObject({ timestamp: z.string(), component: z.looseObject({ type: z.string(), name: z.string() }) }),
  components: z.array(z.looseObject({ name: z.string(), version: z.string(), purl: z.string(), hashes: z.array(z.object({ alg: z.string(), content: z.string() })) })),
});
export type BillOfMaterials = z.infer<typeof bill>;

/**
 * The production packages of package-lock.json as CycloneDX, made by npm, with what npm draws anew each time (number,
 * moment) taken from the content and the source's date: the same source gives the same bill. Needs no network.
 */
export function billOfMaterials(): BillOfMaterials {
  const folder = mkdtempSync(join(tmpdir(), 'goodgateway-sbom-'));
  try {
    writeProductionOnly(folder);
    const argv = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only', '--loglevel=error'];
    return settle(bill.parse(JSON.parse(execFileSync('npm', argv, { cwd: folder, encoding: 'utf8', maxBuffer: 32 * 1024 ** 2 }))));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const manifest = z.looseObject({ devDependencies: z.unknown().optional() });
const lock = z.looseObject({ packages: z.record(z.string(), z.looseObject({ dev: z.boolean().default(false), devDependencies: z.unknown().optional() })) });

/** Not `--omit=dev`: with it npm 11 also leaves out what both kinds need, yaml for one. */
function writeProductionOnly(folder: string): void {
  const { devDependencies: _, ...ours } = manifest.parse(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')));
  const { packages, ...rest } = lock.parse(JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')));
  const production = Object.entries(packages).flatMap(([place, { dev, devDependencies: __, ...one }]) => (dev ? [] : [[place, one]]));
  writeFileSync(join(folder, 'package.json'), JSON.stringify(ours));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ ...rest, packages: Object.fromEntries(production) }));
}

function settle(made: BillOfMaterials): BillOfMaterials {
  const hash = createHash('sha256').update(JSON.stringify(made.components)).digest('hex');
  const uuid = [hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`, `8${hash.slice(17, 20)}`, hash.slice(20, 32)].join('-');
  return {
    ...made,
    serialNumber: `urn:uuid:${uuid}`,
    // npm takes the name of the folder
    metadata: { ...made.metadata, timestamp: new Date(sourceDate() * 1000).toISOString(), component: { ...made.metadata.component, name: 'goodgateway' } },
  };
}
