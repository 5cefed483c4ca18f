import { createHash } from 'node:crypto';
import { chmod, chown, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { inForceFile } from '../config/in-force.ts';
import type { Configuration } from '../config/load.ts';

/** What this healer goes by, and its proxies with it. */
export interface InForce {
  /** Names of all gateways. */
  readonly gateways: ReadonlySet<string>;
  /** Of goodgateway.yaml, hexadecimal. */
  readonly sha256: string;
}

/** For the proxies: whose gateways they serve, by the bytes of which file. */
export function inForceOf({ host, sha256 }: Pick<Configuration, 'host' | 'sha256'>): InForce {
  return { gateways: new Set(Object.keys(host.gateways)), sha256 };
}

/** Leaves the goodgateway.yaml of this configuration for proxies, readable for whom it is itself; or why that was not possible, as a sentence. */
export async function keepInForce({ host, files: [file = ''], sha256 }: Pick<Configuration, 'host' | 'files' | 'sha256'>): Promise<string | undefined> {
  const copy = inForceFile(host.runtime);
  const fresh = `${copy}.new`;
  try {
    const [bytes, { mode, uid, gid }] = [await readFile(file), await stat(file)];
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) return `${file}:1:1: was changed again while it was read`;
    await rm(fresh, { force: true });
    await writeFile(fresh, bytes, { mode: 0o600 });
    if (process.getuid?.() === 0) await chown(fresh, uid, gid);
    await chmod(fresh, mode & 0o644);
    await rename(fresh, copy);
    return undefined;
  } catch (error) {
    return `${copy}: cannot be written: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The same at the start of a healer: a copy that a crashed one has left, and that cannot be renewed, must not be believed. */
export async function beginInForce(configuration: Parameters<typeof keepInForce>[0]): Promise<string | undefined> {
  const unkept = await keepInForce(configuration);
  if (unkept !== undefined) await forgetInForce(configuration.host.runtime);
  return unkept;
}

/** At an orderly end: whoever starts next reads the file itself. */
export async function forgetInForce(runtime: string): Promise<void> {
  // best effort: one that stays is believed only while a healer listens, or when the file itself is wrong
  await rm(inForceFile(runtime), { force: true }).catch(() => undefined);
}
