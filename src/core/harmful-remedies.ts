/**
 * Which remedy makes which trouble worse. The one place that says so: the loader of policies refuses a rule by it, and
 * the gate `never` refuses the act, whatever a policy says. A busy, healthy service is never restarted; a deliberate
 * stop is never undone; what a restart cannot mend is not restarted.
 */
import type { ActionName } from './decision.ts';
import type { CauseName } from './diagnosis.ts';

/** Actions that start a dead service, also those that do something else before. */
export const startingActions: readonly ActionName[] = ['start', 'reset_failed_and_start', 'terminate_orphans'];
/** Actions that may cut requests which a living service is serving. A reload of php-fpm ends them by default. */
export const disturbingActions: readonly ActionName[] = ['reload', 'restart', 'stop', 'terminate_stuck_workers'];

const restarts: readonly ActionName[] = ['restart', 'stop'];
const stopsAndReloads: readonly ActionName[] = ['reload', 'restart', 'stop'];
const everything: readonly ActionName[] = [...startingActions, ...disturbingActions];

interface Harm {
  readonly actions: readonly ActionName[];
  /** As the end of "…, because …". */
  readonly because: string;
  /** Allowed all the same where a person agrees to it first. */
  readonly ifApproved?: readonly ActionName[];
}

const busy: Harm = { actions: disturbingActions, because: 'a busy, healthy service is never disturbed: it would lose the requests that it is serving, and come back to the same load' };
const elsewhere: Harm = { actions: restarts, because: 'the fault lies outside the service, and it would come back to it' };
const refusesAnyway: Harm = { actions: restarts, because: 'it would come back with the same setting' };

const harms: Readonly<Partial<Record<CauseName, Harm>>> = {
  'service.starting': { actions: [...restarts, 'terminate_stuck_workers'], because: 'a start or a crash recovery that is broken off begins anew, and may lose data' },
  'service.stopped_by_operator': { actions: [...startingActions, 'restart'], because: 'what was stopped on purpose is never started by goodgateway' },
  'capacity.workers_exhausted': busy,
  'capacity.connections_exhausted': busy,
  'capacity.file_descriptors': busy,
  'capacity.ports_exhausted': busy,
  // the one overload that a restart may end: a queue of requests whose visitors have left
  'capacity.backlog_full': { ...busy, ifApproved: ['restart'] },
  'load.cpu': busy,
  'load.memory': busy,
  'load.io': busy,
  'load.network': busy,
  'app.slow': busy,
  'config.timeout': refusesAnyway,
  'config.buffer_size': refusesAnyway,
  'app.error': { actions: restarts, because: 'the application itself answers with errors, and would go on to' },
  'config.invalid': { actions: stopsAndReloads, because: 'it would not come up again with a broken configuration' },
  'config.dns': refusesAnyway,
  'config.credentials': refusesAnyway,
  'config.per_ip_limit': refusesAnyway,
  'net.port_blocked': elsewhere,
  'net.port_moved': { actions: restarts, because: 'it runs well, only elsewhere' },
  'dependency.database': elsewhere,
  'dependency.cache': elsewhere,
  'dependency.other': elsewhere,
  'disk.full': { actions: everything, because: 'on a full disk it would lose what it cannot write, and may not come up again' },
  'data.corrupt': { actions: everything, because: 'damaged data may be damaged further' },
  'change.in_progress': { actions: everything, because: 'somebody is changing it right now' },
  'limit.tenant': { actions: restarts, because: 'one site is held back by its own limit, and all would be disturbed' },
};

/** What must not be done about this cause, as a sentence for people; `undefined` where nothing known makes it worse. */
export function whatHarms(cause: CauseName): string | undefined {
  const harm = harms[cause];
  return harm && `Do not ${inWords(harm.actions)} it: ${harm.because}.`;
}

const verbs: readonly ActionName[] = ['start', 'reload', 'restart', 'stop'];

function inWords(actions: readonly ActionName[]): string {
  const named = verbs.filter((verb) => actions.includes(verb));
  return named.length < 2 ? (named[0] ?? 'touch') : `${named.slice(0, -1).join(', ')} or ${named.at(-1)}`;
}

/**
 * Why this action must not be done about this cause, as the end of "…, because …"; `undefined` where it may help.
 * `approved`: a person agrees first (silence is no agreement), which is enough in the few cases where one can know better.
 */
export function whyHarmful(cause: CauseName, action: ActionName, approved: boolean): string | undefined {
  const harm = harms[cause];
  if (!harm?.actions.includes(action)) return undefined;
  const onceApproved = harm.ifApproved?.includes(action) ?? false;
  if (onceApproved && approved) return undefined;
  return onceApproved ? `${harm.because}; only a person may decide so: add \`approval\` to the step` : harm.because;
}
