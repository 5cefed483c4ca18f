/** All checks over one host, in parallel, each with its own deadline. */
import { formatDuration } from '../core/time.ts';
import type { Check, CheckResult, DoctorContext } from './check.ts';
import { sortFindings, type Finding, type Unseen } from './finding.ts';

export interface Examination {
  readonly findings: readonly Finding[];
  readonly unseen: readonly Unseen[];
  /** Ids of findings whose checks saw everything: one of them that is not there is gone. */
  readonly seen: ReadonlySet<string>;
}

/** What these checks find. A check that is late is unseen, and does not hold up the others. */
export async function examine(context: DoctorContext, checks: readonly Check[]): Promise<Examination> {
  const results = await Promise.all(checks.map((check) => inTime(check, context)));
  const findings = results.flatMap(({ findings: found }, index) => found.map((one) => complete(one, checks[index]!)));
  const refused = context.files.refused.map((path): Unseen => ({ subject: path, why: 'this user may not read it; ask again as root' }));
  // who was refused a file does not know which check would have needed it
  const whole = refused.length > 0 ? [] : checks.filter((_, index) => (results[index]?.unseen ?? []).length === 0);
  return { findings: sortFindings(findings), unseen: [...results.flatMap((result) => result.unseen ?? []), ...refused], seen: new Set(whole.flatMap((check) => Object.keys(check.finds))) };
}

async function inTime(check: Check, context: DoctorContext): Promise<CheckResult> {
  const over = new AbortController();
  const late = async (): Promise<CheckResult> => {
    await context.outside.clock.sleep(check.deadlineMs, over.signal);
    return { findings: [], unseen: [{ subject: check.name, why: `it did not end within ${formatDuration(check.deadlineMs)}` }] };
  };
  const result = await Promise.race([check.check(context, over.signal), late()]);
  over.abort();
  return result;
}

function complete(found: CheckResult['findings'][number], check: Check): Finding {
  const kind = check.finds[found.id];
  if (!kind) throw new Error(`the check ${check.name} does not declare the finding ${found.id}`);
  return { id: found.id, family: check.family, severity: kind.severity, subject: found.subject, what: found.what, why: found.why, change: found.change, source: found.source };
}
