/** What a record is called in a story, in the terminal and in the dashboard: plain words for every event and every action. */
import type { AdminRecord } from './admin-api.ts';
import type { ActionName } from './decision.ts';
import { formatDuration } from './time.ts';

/** How an action is said before it is done, and after. */
const actions: Readonly<Record<ActionName, { readonly act: string; readonly acted: string }>> = {
  start: { act: 'start', acted: 'started' },
  reload: { act: 'reload', acted: 'reloaded' },
  restart: { act: 'restart', acted: 'restarted' },
  stop: { act: 'stop', acted: 'stopped' },
  terminate_stuck_workers: { act: 'end stuck workers', acted: 'ended stuck workers' },
  terminate_orphans: { act: 'end orphaned workers', acted: 'ended orphaned workers' },
  reset_failed_and_start: { act: 'clear the failed state and start', acted: 'cleared the failed state and started' },
  shed_load: { act: 'shed load', acted: 'shed load' },
  switch_upstream: { act: 'switch the upstream', acted: 'switched the upstream' },
  wait: { act: 'wait', acted: 'waited' },
  wait_for: { act: 'wait for a condition', acted: 'waited for a condition' },
  page: { act: 'tell somebody', acted: 'told somebody' },
  notify: { act: 'tell somebody', acted: 'told somebody' },
  run: { act: 'run a command', acted: 'ran a command' },
};

const headings: Readonly<Record<string, string | ((record: AdminRecord) => string)>> = {
  'incident.opened': 'Something was wrong',
  'incident.updated': 'More of the same',
  'incident.recovered': ({ outcome }) => (outcome?.duration_ms === undefined ? 'Recovered' : `Recovered after ${formatDuration(outcome.duration_ms)}`),
  'incident.relapsed': 'Broken again',
  'incident.gave_up': 'Gave up: waits for a person',
  'incident.closed': 'Closed',
  'evidence.captured': ({ files }) => (files ? 'Kept evidence' : 'Looked'),
  'evidence.failed': 'Could not look',
  'evidence.removed': 'Removed old evidence',
  'diagnosis.made': (record) => `Cause: ${causeOf(record)}`,
  'diagnosis.changed': (record) => `Cause now: ${causeOf(record)}`,
  'request.quarantined': 'Sent that request no more',
  'action.would_run': ({ action }) => `Would ${toAct(action)}, but only observes`,
  'action.refused': ({ action }) => `Did not ${toAct(action)}`,
  'action.intent': ({ action, actor }) => (typeof actor === 'object' ? `A person asked to ${toAct(action)}` : `Decided to ${toAct(action)}`),
  'action.started': ({ action }) => `Began to ${toAct(action)}`,
  'action.finished': finished,
  'action.unknown': ({ action }) => `${capital(toAct(action))}: nobody knows whether it had its effect`,
  'verify.passed': 'Checked: it works',
  'verify.failed': ({ verify }) => `Checked: ${verify?.outcome === 'unknown' ? 'could not be found out' : 'it does not work'}`,
  'undo.done': 'Put back',
  'approval.asked': 'Asked for approval',
  'approval.given': 'Approved',
  'approval.denied': 'Not approved',
  'approval.expired': 'The question is over',
  'pause.set': 'Healing was paused',
  'pause.expired': 'The pause was over',
  'pause.ended': 'Healing was resumed',
  'healing.off': 'Healing was switched off',
  'healing.on': 'Healing was switched on',
  'incident.acknowledged': 'A person took note: it may be tried again',
  'incident.repeated': 'Healed again and again: the fault itself is still there',
  'shared_cause.opened': 'Many services failed together',
  'shared_cause.closed': 'They do not fail together any more',
  'breaker.opened': 'Stopped trying for a while',
  'breaker.half_open': 'One more try was allowed',
  'breaker.closed': 'Trying was allowed again',
  'budget.spent': 'The budget was spent',
  'policy.loaded': 'Read the policy',
  'policy.rejected': 'Refused the policy',
  'policy.removed': 'No policy any more',
  'human.acted': 'A person did something',
  'notification.failed': 'Somebody could not be told',
  'agent.started': 'goodgateway started',
  'agent.stopped': 'goodgateway stopped',
  'agent.crashed': 'goodgateway ended unexpectedly',
  'audit.checkpoint': 'Noted the end of the log',
  'audit.rotated': ({ sealed, removed }) => (sealed ? 'Began the next file of the log' : removed ? 'Removed an old file of the log' : 'Left an old file of the log as it is'),
  'audit.gap': 'The log has a gap',
};

/**
 * One line without an event's or an action's technical name; causes keep theirs, because policies and docs use it. An
 * event of a later version, which has no words here, is called by its name.
 */
export function headingOf(record: AdminRecord): string {
  const heading = Object.hasOwn(headings, record.event) ? headings[record.event] : undefined;
  if (heading === undefined) return capital(record.event);
  return typeof heading === 'string' ? heading : heading(record);
}

/** Did the action repair anything, or only wait and tell? */
export function isRepair(action: ActionName): boolean {
  return action !== 'page' && action !== 'notify' && action !== 'wait' && action !== 'wait_for';
}

/** `restart`, `switch the upstream`. */
export function toAct(action: ActionName | undefined): string {
  return action === undefined ? 'act' : actions[action].act;
}

/** `restarted`, `switched the upstream`. */
export function acted(action: ActionName): string {
  return actions[action].acted;
}

/** With a capital first letter. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function finished({ action, outcome }: AdminRecord): string {
  if (action === undefined) return 'Ended';
  if (outcome?.result === 'failed') return `Tried to ${toAct(action)}: failed`;
  return outcome?.result === 'done' ? capital(acted(action)) : `${capital(toAct(action))}: ended`;
}

function causeOf({ cause = 'unknown', confidence }: AdminRecord): string {
  return `${cause}${confidence === undefined ? '' : ` (${confidence})`}`;
}
