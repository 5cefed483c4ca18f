import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Configuration } from '../config/load.ts';
import { actionTable } from '../healer/action-table.ts';
import type { AuditFile } from '../healer/audit/files.ts';
import { findAuditFiles, readRecords } from '../healer/audit/query.ts';
import { limitsOf, touches } from '../healer/policy/gates.ts';
import type { SimulatedIncident } from '../healer/simulate/events.ts';
import { readRecorded, type Recorded } from '../healer/simulate/read-recorded.ts';
import { simulate } from '../healer/simulate/simulate.ts';
import { tally, type Tally } from '../healer/simulate/tally.ts';
import { incidentCode } from '../core/ids.ts';
import { Gaps } from './audit-files.ts';
import { simulatedJson, tellSimulated, tellTally } from './simulated-story.ts';
import { complain, plain, printLine, wrap } from './terminal.ts';

export interface LogSimulation {
  /** A folder of an audit log, or one of its files. */
  readonly log: string;
  readonly sinceMs: number | undefined;
  readonly service: string | undefined;
  readonly assume: 'helps' | 'fails';
  readonly json: boolean;
}

/** What is spent before `--since` counts too: so much of the log before it is simulated and not shown. */
const lookBackMs = 86_400_000;

/** Plays the incidents of an audit log through the current policies, and prints what would be done. Exit status 1: there is no log, or not all of it can be read. */
export async function simulateLog({ policies, safety }: Configuration, options: LogSimulation): Promise<void> {
  const found = await filesAt(options.log);
  if (!found) return;
  const gaps = new Gaps();
  const files = found.map(gaps.in);
  const selection = options.sinceMs === undefined ? {} : { sinceMs: Math.max(0, options.sinceMs - lookBackMs) };
  const recorded = await readRecorded(readRecords(files, selection), (action) => {
    return actionTable.has(action) && touches(limitsOf(actionTable, action));
  });
  gaps.tell();
  const all = simulate(recorded.events, { policies, safety, actions: actionTable, assume: options.assume }, recorded.endMs);
  const isWanted = (one: { readonly openedAtMs: number; readonly service: string }) => one.openedAtMs >= (options.sinceMs ?? 0) && (options.service === undefined || one.service === options.service);
  const shown = all.filter(isWanted);
  const counted = tally(shown, recorded.incidents);
  const strange = [...new Set([...recorded.incidents.values()].filter((one) => isWanted(one) && !policies.has(one.service)).map(({ service }) => service))];
  const observing = [...new Set(shown.map(({ service }) => service))].filter((name) => policies.get(name)?.policy.mode === 'observe');
  const told: Found = { recorded, shown, counted, strange, observing };
  if (options.json) return printLine(JSON.stringify(asJson(told, options.assume)));
  for (const line of tellLog(told, options.assume)) await printLine(line);
}

interface Found {
  readonly recorded: Recorded;
  readonly shown: readonly SimulatedIncident[];
  readonly counted: Tally;
  /** Services of which the log tells, and that no policy is for now. */
  readonly strange: readonly string[];
  readonly observing: readonly string[];
}

async function filesAt(log: string): Promise<readonly AuditFile[] | undefined> {
  const path = resolve(log);
  const about = await stat(path).catch(() => undefined);
  // The day of a single file does not matter: there is no other to choose from.
  if (about?.isFile()) return [{ path, name: basename(path), day: '00000000', number: 1 }];
  const found = await findAuditFiles(path);
  return found.kind === 'found' ? found.files : complain(found.detail, 1);
}

function asJson({ recorded, shown, counted, strange, observing }: Found, assume: 'helps' | 'fails'): object {
  return {
    assume,
    incidents: shown.map(simulatedJson),
    summary: counted,
    simulated_as_if_they_acted: observing,
    without_policy: strange,
    without_cause: recorded.withoutCause,
    left_out: recorded.leftOut,
  };
}

function tellLog({ recorded, shown, counted, strange, observing }: Found, assume: 'helps' | 'fails'): readonly string[] {
  const many = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
  const differences = counted.differences.map(({ incident, service, would, done }) => {
    return `  ${incidentCode(incident)} ${service}: now ${would.join(', ') || 'nothing'}; then ${done.join(', ') || 'nothing'}`;
  });
  const notes = [
    ...(observing.length > 0 ? [`${observing.join(', ')}: the policy only observes, and is simulated as if it acted.`] : []),
    ...(strange.length > 0 ? [`No policy is for ${strange.join(', ')} now: left out.`] : []),
    ...(recorded.withoutCause > 0 ? [`${many(recorded.withoutCause, 'incident')} without a cause on record: left out.`] : []),
    ...(recorded.leftOut > 0 ? [`${many(recorded.leftOut, 'older incident')} left out; ask for less with --since.`] : []),
    ...(counted.assumed > 0 ? [`What was not done then has no result on record: it is assumed that it ${assume} (--assume).`] : []),
    ...(shown.length > 0 ? ['Not in a log, and so not simulated: the service seen by others than its diagnosis, the state of the host, and approvals, which are assumed to be given.'] : []),
  ];
  return [
    ...shown.flatMap((incident) => [...tellSimulated(incident), '']),
    many(counted.incidents, 'incident'),
    ...tellTally(counted),
    `differs from what was done: ${counted.differences.length} of ${counted.incidents}`,
    ...differences.map(plain),
    ...(notes.length > 0 ? [''] : []),
    ...notes.flatMap((note) => wrap(plain(note))),
  ];
}
