/** Why nothing was done, in plain sentences on one screen. */
import { formatDuration } from '../core/time.ts';
import type { AuditRecord } from '../healer/audit/record.ts';
import { whatWasDone } from '../core/deeds.ts';
import type { IncidentSummary } from '../healer/audit/summary.ts';
import type { Status } from './status-answer.ts';
import { acted, toAct } from '../core/story-words.ts';
import { plain, styled, withStop, wrap } from './terminal.ts';
import { formatWhen } from './when.ts';
import type { HeldBack, NotDone, Question, RefusingGate } from './why-not-facts.ts';

export interface WhyNot {
  readonly service: string;
  readonly incident: IncidentSummary | undefined;
  readonly records: readonly AuditRecord[];
  readonly notDone: readonly NotDone[];
  readonly questions: readonly Question[];
  readonly held: HeldBack;
  /** What the healer says; or why it says nothing. */
  readonly now: Status | { readonly noAnswer: string };
  readonly nowMs: number;
}

/** Of more decisions the newest are told. */
const mostDecisions = 6;

/** Lines of at most 80 columns, as far as single words allow. */
export function tellWhyNot(found: WhyNot): readonly string[] {
  return [...headOf(found), ...decisionsOf(found), ...('noAnswer' in found.now ? fromLogAlone(found, found.now.noAnswer) : nowOf(found, found.now)), ...moreOf(found)];
}

function headOf({ service, incident, records }: WhyNot): readonly string[] {
  if (!incident) return [styled('bold', plain(`${service}: no incident is on record`)), ...say('As far as goodgateway has seen, nothing was wrong with it, so there was nothing to do.')];
  const ended = incident.outcome === 'open' ? 'not over' : incident.outcome.replace('_', ' ');
  const seen = records.find(({ symptom }) => symptom)?.symptom?.text;
  const diagnosis = records.findLast(({ event }) => event === 'diagnosis.made' || event === 'diagnosis.changed');
  return [
    styled('bold', plain(`${service}: incident ${incident.code} of ${formatWhen(incident.openedAtMs)}, ${ended}`)),
    ...(seen === undefined ? [] : say(`Seen: ${seen}`)),
    ...say(diagnosis ? `Cause: ${diagnosis.cause ?? 'unknown'}${diagnosis.confidence ? ` (${diagnosis.confidence})` : ''}${diagnosis.text ? `: ${diagnosis.text}` : ''}` : 'No cause is on record.'),
  ];
}

function decisionsOf(found: WhyNot): readonly string[] {
  const { incident, records, notDone, questions, service } = found;
  if (!incident) return [];
  const gaveUp = records.findLast(({ event }) => event === 'incident.gave_up' || event === 'incident.acknowledged');
  const lines = [
    ...(incident.done.length > 0 ? ['', ...say(`It did act: ${whatWasDone({ ...incident, notDone: [] })}.`)] : []),
    ...notDone
      .slice(-mostDecisions)
      .toReversed()
      .flatMap((one) => ['', ...tellDecision(one, found)]),
    ...questions.flatMap((question) => ['', ...say(tellQuestion(question, found.nowMs))]),
    ...(gaveUp?.event === 'incident.gave_up'
      ? ['', ...say(`It was given up${gaveUp.text ? `: ${gaveUp.text}` : ''}. A person is needed; to let goodgateway try again: goodgateway ack ${service}`)]
      : []),
  ];
  return lines.length > 0 ? lines : ['', ...say(incident.outcome === 'open' ? 'Nothing is decided yet.' : 'It was over before anything was decided.')];
}

function tellDecision({ why, action, rule, times, lastAt, gates, text }: NotDone, { nowMs }: WhyNot): readonly string[] {
  const by = rule === undefined ? '' : ` by the rule "${rule}"`;
  const when = `${times > 1 ? `, ${times} times, last` : ','} ${formatWhen(Date.parse(lastAt))}`;
  if (why === 'observe') return say(`It would have ${action === undefined ? 'acted' : `${acted(action)} it`}${by}${when}, but its policy has mode observe: it only looks. To let it act: mode: act.`);
  const head = say(`Did not ${toAct(action)}${by}${when}:`);
  if (gates.length === 0) return [...head, ...item(text === '' ? 'no reason is recorded' : text)];
  return [...head, ...gates.flatMap((gate) => item(tellGate(gate, nowMs)))];
}

function tellGate({ gate, reason, allowedAt }: RefusingGate, nowMs: number): string {
  if (allowedAt === undefined) return `${gate}: ${reason}`;
  const opens = Date.parse(allowedAt);
  return `${gate}: ${reason}; ${opens > nowMs ? 'opens' : 'was to open'} ${formatWhen(opens)}`;
}

function tellQuestion({ code, action, until, became }: Question, nowMs: number): string {
  const what = `whether to ${toAct(action)}`;
  switch (became) {
    case 'open':
      if (until !== undefined && Date.parse(until) <= nowMs) return `It asked a person ${what}; no answer is on record, and the time for it was over ${formatWhen(Date.parse(until))}.`;
      return `It asked a person ${what}, and waits${until === undefined ? '' : ` until ${formatWhen(Date.parse(until))}`}: goodgateway approve ${code} (or: goodgateway deny ${code}).`;
    case 'given':
      return `A person was asked ${what}, and said yes.`;
    case 'denied':
      return `A person was asked ${what}, and said no.`;
    case 'expired':
      return `A person was asked ${what}; nobody answered, or the question was void.`;
  }
}

/** Without the healer: what held it back when the log was written last. */
function fromLogAlone({ held, service, nowMs }: WhyNot, noAnswer: string): readonly string[] {
  const { off, serviceOff, paused, servicePaused, breaker, sharedCause, rejected, stopped, removed, mode } = held;
  const reasons = [
    ...(stopped ? [`The healer was stopped ${at(stopped)}: nobody heals until it starts again.`] : []),
    ...(off ? [`Healing was switched off on this host ${at(off)}: ${because(off)}`] : []),
    ...(serviceOff ? [`Healing of ${service} was switched off ${at(serviceOff)}: ${because(serviceOff)}`] : []),
    ...[paused, servicePaused].flatMap((pause) =>
      pause && untilOf(pause) > nowMs ? [`Healing${pause.service === undefined ? '' : ` of ${service}`} is paused until ${formatWhen(untilOf(pause))}: ${because(pause)}`] : [],
    ),
    ...(breaker ? [`The circuit breaker opened ${at(breaker)}: ${because(breaker)}`] : []),
    ...(sharedCause ? [`Many services failed together ${at(sharedCause)}: ${because(sharedCause)}`] : []),
    ...(removed ? [`It has no policy any more since ${at(removed)}.`] : []),
    ...(rejected ? [`The configuration was refused ${at(rejected)}, so the older one is obeyed: ${because(rejected)}`] : []),
    ...(mode === 'observe' ? ['Its policy, when it was loaded last, had mode observe: it only looks.'] : []),
  ];
  return ['', ...say(`Now: ${noAnswer}. This is said from the log alone.`), ...reasons.flatMap((reason) => item(withStop(reason)))];
}

function at({ ts }: AuditRecord): string {
  return formatWhen(Date.parse(ts));
}

function because({ pause, text }: AuditRecord): string {
  return pause?.reason ?? text ?? 'no reason is recorded';
}

function untilOf({ pause }: AuditRecord): number {
  return pause?.until === undefined ? Infinity : Date.parse(pause.until);
}

function nowOf({ service: name }: WhyNot, status: Status): readonly string[] {
  const { healing, audit, off, paused, breaker, budget, services } = status;
  const service = services.find((one) => one.name === name);
  const reasons = [
    ...(audit === 'ok' ? [] : [`The audit log cannot be written, and without it nothing is done: ${audit}`]),
    ...(healing === 'off' && !off ? ['Healing is switched off in the configuration (safety: enabled).'] : []),
    ...[off, service?.off].flatMap((one) => (one ? [`Healing was switched off ${local(one.since)} by ${one.by}: ${one.reason}`] : [])),
    ...[paused, service?.paused].flatMap((one) => (one ? [`Healing is paused until ${local(one.until)}: ${one.reason}`] : [])),
    ...(breaker ? [`The circuit breaker is open since ${local(breaker.since)}: ${breaker.reason}`] : []),
    ...(service ? [] : [`The healer has no policy for ${name}, so nobody looks after it.`]),
    ...(service?.mode === 'observe' ? ['Its policy has mode observe: it only looks.'] : []),
    ...(service?.gave_up ? [`It is given up: ${service.gave_up}`] : []),
    ...(service?.questions ?? []).map(({ code, action, until }) => `A person is asked whether to ${action}, until ${local(until)}: goodgateway approve ${code}`),
    ...(service && service.attempts.used >= service.attempts.of ? [`${service.attempts.used} of ${service.attempts.of} attempts within ${formatDuration(service.attempts.within_ms)} are used.`] : []),
    ...(budget && budget.disruptive.used >= budget.disruptive.of
      ? [`${budget.disruptive.used} of ${budget.disruptive.of} disruptive actions on this host within ${formatDuration(budget.within_ms)} are used.`]
      : []),
    ...(budget && budget.starts.used >= budget.starts.of ? [`${budget.starts.used} of ${budget.starts.of} starts on this host within ${formatDuration(budget.within_ms)} are used.`] : []),
  ];
  const state = service ? `${service.state}${service.text ? `: ${service.text}` : ''}${service.incident ? '' : '. No incident is open'}` : 'the healer runs';
  return [
    '',
    ...say(withStop(`Now: ${state}`)),
    ...(reasons.length > 0 ? reasons : ['Nothing holds the healer back in general: each step is decided by the gates.']).flatMap((reason) => item(withStop(reason))),
  ];
}

function local(iso: string): string {
  return formatWhen(Date.parse(iso));
}

function moreOf({ incident, notDone }: WhyNot): readonly string[] {
  if (!incident) return [];
  const leftOut = notDone.length - mostDecisions;
  return ['', ...say(`${leftOut > 0 ? `${leftOut} older decisions are left out. ` : ''}The whole story: goodgateway why ${incident.code}`)];
}

function say(text: string): readonly string[] {
  return wrap(plain(text));
}

function item(text: string): readonly string[] {
  return wrap(plain(text), { indent: '  ', hang: '    ' });
}
