/** What was played, held against what is expected of it: one row of the table. Pure. */
import type { ActionName } from '../../src/core/decision.ts';
import { isAtLeast, type CauseName, type Confidence } from '../../src/core/diagnosis.ts';
import { whyHarmful } from '../../src/core/harmful-remedies.ts';
import type { AuditRecord } from '../support/audit-records.ts';
import type { ExpectedFault, Family, FaultName } from './expected.ts';
import { isOf, type Played } from './play.ts';

/** `wrong`: said with confidence, and not so. A doubtful word that is not so counts as `unknown`. */
export type Verdict = 'right' | 'wrong' | 'unknown';

export interface Named {
  readonly cause: CauseName;
  readonly confidence: Confidence;
}

export interface Row {
  readonly name: FaultName;
  readonly family: Family;
  readonly fault: string;
  /** From the fault to its incident; absent: none was opened. */
  readonly detectedInMs: number | undefined;
  /** Each cause that was named while the fault was there, in order. */
  readonly named: readonly Named[];
  readonly verdict: Verdict;
  /** What was begun, beside to wait and to tell people. */
  readonly done: readonly ActionName[];
  /** What should not have been done, and why. */
  readonly harmful: readonly string[];
  readonly visitors: number;
  /** Of them those who got something else than their page. */
  readonly errors: number;
  /** Since the fault, or since a person took it away; absent: visitors were not served again. */
  readonly healedInMs: number | undefined;
  readonly healedBy: ExpectedFault['healedBy'];
  /** What is not as expected, each as a sentence. */
  readonly problems: readonly string[];
}

export function rowOf(name: FaultName, family: Family, { expected, played }: { readonly expected: ExpectedFault; readonly played: Played }): Row {
  const { records, service, injectedAtMs, takenAwayAtMs, healedAtMs, visitors } = played;
  // what is said once the fault is taken away is said about something else
  const during = records.filter(({ ts }) => timeOf(ts) <= (takenAwayAtMs ?? Infinity));
  const named = during.filter((record) => record.event.startsWith('diagnosis.') && isOf(service, record)).map(namedBy);
  const opened = records.find((record) => record.event === 'incident.opened' && isOf(service, record));
  const harmful = harms(expected, during);
  const verdict = verdictOn(expected, named);
  return {
    name,
    family,
    fault: expected.fault,
    detectedInMs: opened && timeOf(opened['ts']) - injectedAtMs,
    named: named.filter((one, index) => JSON.stringify(one) !== JSON.stringify(named[index - 1])),
    verdict,
    done: [...new Set(during.flatMap((record) => intentOf(record) ?? []))],
    harmful,
    visitors: visitors.length,
    errors: visitors.filter(({ status }) => status !== 200).length,
    healedInMs: healedAtMs === undefined ? undefined : healedAtMs - (takenAwayAtMs ?? injectedAtMs),
    healedBy: expected.healedBy,
    problems: [
      ...harmful,
      ...(verdict === 'wrong' ? [`named ${named.map(({ cause, confidence }) => `${cause} (${confidence})`).join(', ')} instead of ${expected.causes.join(' or ')}`] : []),
      ...(opened ? [] : ['no incident was opened']),
      ...(healedAtMs === undefined ? ['visitors are not served again'] : []),
      ...(played.isClosed ? [] : ['its incident is not over']),
    ],
  };
}

function verdictOn({ causes, onTheWay = [] }: ExpectedFault, named: readonly Named[]): Verdict {
  const isRight = ({ cause }: Named): boolean => causes.includes(cause);
  const isWrong = (one: Named): boolean => !isRight(one) && !onTheWay.includes(one.cause) && one.cause !== 'unknown' && isAtLeast(one.confidence, 'likely');
  if (named.some(isWrong)) return 'wrong';
  return named.some(isRight) ? 'right' : 'unknown';
}

/** Forbidden for the true cause, or a disturbance that the fault does not ask for. */
function harms({ causes, does }: ExpectedFault, records: readonly AuditRecord[]): readonly string[] {
  const intents = [...new Set(records.flatMap((record) => intentOf(record) ?? []))];
  return intents.flatMap((action) => {
    const because = whyHarmful(causes[0], action, false);
    if (because !== undefined) return [`${action} was done, and must not be: ${because}`];
    return disturbing.has(action) && !does.includes(action) ? [`${action} was done, which disturbs a service without need`] : [];
  });
}

const disturbing: ReadonlySet<ActionName> = new Set<ActionName>(['stop', 'reload', 'restart', 'terminate_stuck_workers', 'terminate_orphans', 'switch_upstream', 'run']);
const quiet: ReadonlySet<ActionName> = new Set<ActionName>(['wait', 'wait_for', 'page', 'notify']);

function intentOf(record: AuditRecord): readonly ActionName[] | undefined {
  const action = record['action'] as ActionName;
  return record.event === 'action.intent' && !quiet.has(action) ? [action] : undefined;
}

function namedBy(record: AuditRecord): Named {
  return { cause: record['cause'] as CauseName, confidence: record['confidence'] as Confidence };
}

function timeOf(ts: unknown): number {
  return Date.parse(String(ts));
}
