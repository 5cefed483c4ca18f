/** What the last run found and measured, so that a timer can say what changed since. The only file that the doctor writes. */
import { open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { z } from 'zod';
import type { Finding } from './finding.ts';

const lastRunSchema = z.object({
  version: z.literal(1),
  checked_at: z.iso.datetime(),
  findings: z.array(z.object({ id: z.string(), subject: z.string(), severity: z.string(), what: z.string().optional(), why: z.string().optional(), change: z.string().optional() })).max(10_000),
  /** By path: what was free on its file system. */
  space: z.record(z.string(), z.object({ free_bytes: z.number(), total_bytes: z.number() })).default({}),
});
export type LastRun = z.output<typeof lastRunSchema>;

/** What is different since the last run. A finding whose check did not see everything this time is not called gone. */
export interface Changes {
  readonly since: string;
  readonly appeared: readonly Pick<Finding, 'id' | 'subject'>[];
  readonly gone: readonly Pick<Finding, 'id' | 'subject'>[];
}

const largestBytes = 8 * 1024 ** 2;

/** The last run; `undefined` when there is none, or it is none of ours: then it is the first run. */
export async function readLastRun(file: string): Promise<LastRun | undefined> {
  try {
    const about = await stat(file);
    if (!about.isFile() || about.size > largestBytes) return undefined;
    return lastRunSchema.safeParse(JSON.parse(await readFile(file, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** Written beside and renamed, never through a link; or why it could not be, as a sentence. */
export async function writeLastRun(file: string, run: LastRun): Promise<string | undefined> {
  const fresh = `${file}.new`;
  try {
    await unlink(fresh).catch(() => undefined);
    // `wx`: whoever put something there meanwhile is not written to
    await using handle = await open(fresh, 'wx', 0o640);
    await handle.writeFile(`${JSON.stringify(run)}\n`);
    await rename(fresh, file);
    return undefined;
  } catch (error) {
    return `the state of this run could not be written to ${file}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** `seen`: ids of findings that this run would have made if they were there. */
export function changesSince(last: LastRun, findings: readonly Finding[], seen: ReadonlySet<string>): Changes {
  const has = (list: readonly Pick<Finding, 'id' | 'subject'>[], one: Pick<Finding, 'id' | 'subject'>): boolean => list.some((each) => each.id === one.id && each.subject === one.subject);
  return {
    since: last.checked_at,
    appeared: findings.filter((one) => !has(last.findings, one)).map(({ id, subject }) => ({ id, subject })),
    gone: last.findings.filter((one) => seen.has(one.id) && !has(findings, one)).map(({ id, subject }) => ({ id, subject })),
  };
}
