import { execFileSync } from 'node:child_process';
import { project } from './production-packages.ts';

/**
 * Seconds since 1970 that stand for "when" in everything that is built: SOURCE_DATE_EPOCH, otherwise the time of the
 * last commit, so that the same source gives the same bytes. Throws when there is neither.
 * @see https://reproducible-builds.org/docs/source-date-epoch/
 */
export function sourceDate(): number {
  const epoch = process.env['SOURCE_DATE_EPOCH'] ?? execFileSync('git', ['-C', project, 'log', '-1', '--format=%ct'], { encoding: 'utf8' }).trim();
  if (!/^\d{1,12}$/.test(epoch)) throw new Error(`SOURCE_DATE_EPOCH: expected seconds since 1970, got ${JSON.stringify(epoch)}`);
  return Number(epoch);
}
