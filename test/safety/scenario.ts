/** One situation in which nothing may be disturbed: real servers, real traffic, a policy that may act. */
import type { ActionName, GateName } from '../../src/core/decision.ts';
import type { AuditRecord } from '../support/audit-records.ts';
import type { TestScope } from '../support/temp-folder.ts';

export interface Scenario {
  /** As an administrator would say it. */
  readonly name: string;
  /** Why it cannot run here; `false` when it can. */
  readonly skip?: string | false;
  /** Played by `npm run safety` only: it takes long, and what it shows others show as well. */
  readonly onlyByHand?: true;
  /** What may be done in it, beside to wait, to tell people and to let some visitors wait outside. Default: nothing. */
  readonly mayDo?: readonly ActionName[];
  /** The gate that has to refuse something in it. */
  readonly refusedBy?: GateName;
  /** Brings it about, keeps it up until goodgateway has answered it, and returns everything that was recorded. */
  play(t: TestScope): Promise<Played>;
}

export interface Played {
  readonly records: readonly AuditRecord[];
  /** What visitors got meanwhile: `200: 31, 503: 12`. */
  readonly visitors: string;
}

/** Every act that a visitor or the service could feel: not a start of what is dead, not a word to somebody. */
const disturbs: ReadonlySet<unknown> = new Set<ActionName>(['stop', 'reload', 'restart', 'terminate_stuck_workers', 'terminate_orphans', 'switch_upstream', 'run']);
const harmless: ReadonlySet<unknown> = new Set<ActionName>(['wait', 'wait_for', 'page', 'notify', 'shed_load']);

export interface Row {
  readonly name: string;
  readonly causes: readonly string[];
  readonly done: readonly string[];
  /** Gates that refused something. */
  readonly refusedBy: readonly string[];
  readonly disturbed: number;
  readonly visitors: string;
  /** What is not as the scene demands, in words. Empty: all is well. */
  readonly wrong: readonly string[];
}

/** The row of the matrix that what was recorded makes. */
export function rowOf({ name, mayDo = [], refusedBy }: Scenario, { records, visitors }: Played): Row {
  const intents = records.filter(({ event }) => event === 'action.intent').map(({ action }) => String(action));
  const refusals = records.filter(({ event }) => event === 'action.refused').flatMap(({ gates }) => (Array.isArray(gates) ? gates : []) as readonly { gate: string; verdict: string }[]);
  const gates = distinct(refusals.filter(({ verdict }) => verdict === 'refuse').map(({ gate }) => gate));
  const starts = records.filter(({ event }) => event === 'agent.started').length;
  return {
    name,
    causes: distinct(records.filter(({ event }) => event.startsWith('diagnosis.')).map(({ cause }) => String(cause))),
    done: distinct(intents),
    refusedBy: gates,
    disturbed: intents.filter((action) => disturbs.has(action)).length,
    visitors,
    wrong: [
      ...distinct(intents.filter((action) => !harmless.has(action) && !mayDo.some((one) => one === action))).map((action) => `${action} was done`),
      ...(refusedBy === undefined || gates.includes(refusedBy) ? [] : [`${refusedBy} refused nothing`]),
      // a healer that died has disturbed nobody either
      ...(starts === 1 ? [] : [`the healer was started ${starts} times`]),
    ],
  };
}

function distinct(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}
