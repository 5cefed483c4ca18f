/** The words of `status`, the same in its text, on its screen and in its lines. None of them is fit for a terminal before `plain`. */
import { formatDuration } from '../core/time.ts';
import type { GatewayStatus, ServiceStatus, Status, Step } from './status-answer.ts';
import { formatWhen } from './when.ts';

/** `2026-11-22 03:12:05` of an ISO time, local. */
export function local(iso: string): string {
  return formatWhen(Date.parse(iso));
}

/** Whole seconds, at least one: for what is said once a second. */
export function lasting(sinceMs: number, nowMs: number): string {
  return formatDuration(Math.max(1000, Math.floor((nowMs - sinceMs) / 1000) * 1000));
}

/** What holds healing back, one sentence each. `word`: what `on` and `resume` are called with, with its blank. */
export function restraintsOf({ off, paused }: Pick<Status, 'off' | 'paused'>, word: string): readonly string[] {
  return [
    ...(off ? [`healing was switched off ${local(off.since)} by ${off.by}: ${off.reason}; to switch it on: goodgateway on${word}`] : []),
    ...(paused ? [`healing is paused until ${local(paused.until)}: ${paused.reason}; to end the pause: goodgateway resume${word}`] : []),
  ];
}

/** The host's own: switched off, paused, the circuit breaker. */
export function hostRestraints(status: Status): readonly string[] {
  const { breaker } = status;
  return [
    ...restraintsOf(status, ''),
    ...(breaker ? [`the circuit breaker is open since ${local(breaker.since)}: ${breaker.reason}; to close it: goodgateway on`] : []),
    ...status.untold.flatMap(untoldLine),
  ];
}

/** One that was just said, and is on its way, is no trouble. */
function untoldLine({ notifier, waiting, since, problem }: Status['untold'][number]): readonly string[] {
  if (problem === undefined) return [];
  return [
    `${waiting} ${waiting === 1 ? 'message waits' : 'messages wait'} for ${notifier}${since === undefined ? '' : ` since ${local(since)}`}: ${problem}; to try it: goodgateway notify --test ${notifier}`,
  ];
}

/** `left on this host within 1 h: 3 of 4 disruptive actions, 9 of 10 starts`. */
export function budgetLeft({ budget }: Status): readonly string[] {
  if (!budget) return [];
  const { disruptive, starts, within_ms: withinMs } = budget;
  return [`left on this host within ${formatDuration(withinMs)}: ${leftOf(disruptive)} disruptive actions, ${leftOf(starts)} starts`];
}

/** `2 of 3`. More may be used than there are when a limit was made stricter. */
export function leftOf({ used, of }: { readonly used: number; readonly of: number }): string {
  return `${Math.max(0, of - used)} of ${of}`;
}

const doing: Readonly<Record<Step['doing'], string>> = {
  looking: 'looking',
  acting: 'acting:',
  waiting: 'waiting:',
  telling: 'telling people:',
  verifying: 'verifying',
  asking: 'asking a person:',
  held_back: 'held back:',
  observing: 'only observing:',
  given_up: 'given up:',
};

/** `acting: start by the rule "Crashed, so start it"`: without times. */
export function stepWords(step: Step): string {
  return `${doing[step.doing]} ${step.text}`;
}

/** The same, with since when, and until when where it ends by itself. */
export function stepSentence(step: Step, nowMs: number): string {
  const { since, until } = step;
  const end = until !== null && Date.parse(until) > nowMs ? endOf(step, until) : '';
  return `${stepWords(step)}, since ${lasting(Date.parse(since), nowMs)}${end}`;
}

function endOf({ doing: what }: Step, until: string): string {
  const at = local(until).slice('2026-11-22 '.length);
  return what === 'held_back' || what === 'given_up' ? `, again at ${at}` : `, at most until ${at}`;
}

/** What a person did not ask of an incident, but does by hand right now. */
export function byHand({ under_way: underWay, incident }: ServiceStatus): string | undefined {
  return underWay !== null && incident?.step?.doing !== 'acting' ? `being done: ${underWay}` : undefined;
}

/** In one word or two. A silent proxy says nothing about now. */
export function visitorsShort({ visitors, heard_ms_ago: heardMsAgo }: Pick<GatewayStatus, 'visitors' | 'heard_ms_ago'>): string {
  switch (visitors) {
    case 'answers':
      return 'answered';
    case 'answers_or_page':
      return 'partly';
    case 'waits':
      return 'wait';
    case 'page':
      return 'our page';
    case null:
      return heardMsAgo === null ? 'not heard' : 'silent';
  }
}

const visitorsGet = { answers: 'are answered', answers_or_page: 'are answered, some asked to come back', waits: 'wait', page: 'get our page' } as const;

/** `shop: visitors are answered; 3 in flight, 0 held, 12.5 a second; failed in the last minute: 2 connection_refused`. */
export function gatewaySentence(gateway: GatewayStatus): string {
  const { name, visitors, in_flight: inFlight, held, per_second: perSecond, heard_ms_ago: heardMsAgo } = gateway;
  const now =
    visitors !== null
      ? `visitors ${visitorsGet[visitors]}; ${inFlight ?? 0} in flight, ${held ?? 0} held, ${perSecond ?? 0} a second`
      : heardMsAgo === null
        ? 'no proxy was heard yet'
        : `its proxy has been silent for ${formatDuration(heardMsAgo)}`;
  const failed = failures([gateway]);
  return `${name}: ${now}${failed ? `; ${failed}` : ''}`;
}

/** `failed in the last minute: 7 (5 connection_refused, 2 http_response_timeout)`; `undefined`: nothing failed. */
export function failures(gateways: readonly GatewayStatus[]): string | undefined {
  const total = gateways.reduce((sum, one) => sum + one.failed_last_minute, 0);
  if (total === 0) return undefined;
  const kinds = new Map<string, number>();
  for (const { failed_by_kind: byKind } of gateways) for (const [kind, count] of Object.entries(byKind)) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  const named = [...kinds].toSorted(([, a], [, b]) => b - a).map(([kind, count]) => `${count} ${kind}`);
  return `failed in the last minute: ${total}${named.length > 0 ? ` (${named.join(', ')})` : ''}`;
}
