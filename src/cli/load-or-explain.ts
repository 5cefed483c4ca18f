import { findConfiguration, loadConfiguration, type Configuration } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { actionOptions } from '../healer/action-options.ts';

/** The whole configuration with its policies; or every mistake on standard error, exit status 2, and `undefined`. */
export async function configurationOrExplain(explicit?: string): Promise<Configuration | undefined> {
  const loaded = await loadConfiguration(await findConfiguration(explicit), { actionOptions });
  if (loaded.ok) return loaded.configuration;
  for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
  process.exitCode = 2;
  return undefined;
}
