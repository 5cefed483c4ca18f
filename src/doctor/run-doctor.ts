/** One run: read the host, ask all checks, compare with the last run, keep this one. */
import type { Check, DoctorContext } from './check.ts';
import { pathsThatMatter } from './checks/read-paths.ts';
import { examine } from './examine.ts';
import type { Finding, Unseen } from './finding.ts';
import { gather, type Gathering } from './gather.ts';
import { changesSince, readLastRun, writeLastRun, type Changes } from './last-run.ts';

/** What `--json` prints. `changes`: null where there was no run before, or nothing is kept. */
export interface DoctorReport {
  readonly checked_at: string;
  readonly findings: readonly Finding[];
  readonly unseen: readonly Unseen[];
  readonly changes: Changes | null;
}

export interface DoctorRun extends Omit<Gathering, 'lastRun'> {
  readonly checks: readonly Check[];
  /** Where the last run is kept; without it nothing is compared, and nothing is written. */
  readonly stateFile: string | undefined;
  /** A run of some checks only compares, but is not kept. */
  readonly keep: boolean;
}

/** Reads only, but for the state file. Never rejects for an expected reason. */
export async function runDoctor(run: DoctorRun): Promise<DoctorReport> {
  const { stateFile, outside, checks } = run;
  const lastRun = stateFile === undefined ? undefined : await readLastRun(stateFile);
  const { context, unseen } = await gather({ ...run, lastRun });
  const found = await examine(context, checks);
  const checked_at = new Date(outside.clock.wallMs()).toISOString();
  const notKept = stateFile === undefined || !run.keep ? undefined : await keepRun(stateFile, { context, checked_at, findings: found.findings });
  return {
    checked_at,
    findings: found.findings,
    unseen: [...unseen, ...found.unseen, ...(notKept === undefined ? [] : [{ subject: 'what changes until the next run', why: notKept }])],
    changes: lastRun ? changesSince(lastRun, found.findings, found.seen) : null,
  };
}

async function keepRun(
  file: string,
  { context, checked_at, findings }: { readonly context: DoctorContext; readonly checked_at: string; readonly findings: readonly Finding[] },
): Promise<string | undefined> {
  const space: Record<string, { readonly free_bytes: number; readonly total_bytes: number }> = {};
  for (const path of pathsThatMatter(context)) {
    const now = await context.outside.space(path);
    if (typeof now === 'object') space[path] = { free_bytes: now.freeBytes, total_bytes: now.totalBytes };
  }
  return writeLastRun(file, { version: 1, checked_at, findings: findings.map(({ id, subject, severity, what, why, change }) => ({ id, subject, severity, what, why, change })), space });
}
