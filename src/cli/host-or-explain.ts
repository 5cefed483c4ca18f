import { findConfiguration } from '../config/load.ts';
import { loadHost } from '../config/load-host.ts';
import type { HostConfig } from '../config/host-schema.ts';
import { formatProblem } from '../config/problem.ts';

/** The host's configuration and its file; or every mistake on standard error, exit status 2, and `undefined`. */
export async function hostOrExplain(explicit?: string): Promise<{ readonly file: string; readonly host: HostConfig } | undefined> {
  const file = await findConfiguration(explicit);
  const loaded = await loadHost(file);
  if (loaded.ok) return { file, host: loaded.host };
  for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
  process.exitCode = 2;
  return undefined;
}
