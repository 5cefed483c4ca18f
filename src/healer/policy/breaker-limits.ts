/**
 * The circuit breaker on the healer itself: so many attempts that did not help in so long, of any service, and nothing
 * is done for a while; then a single attempt decides. Pure, in monotonic milliseconds; what it says is kept with the
 * limits of the host and so survives the process.
 */
import type { SafetyConfig } from '../../config/safety-schema.ts';
import { formatDuration } from '../../core/time.ts';
import { useOfWindow, type Attempt, type Breaker, type HealingHistory, type HostHistory } from './limits.ts';

type BreakerConfig = SafetyConfig['breaker'];

export type BreakerState =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly breaker: Breaker; readonly untilMs: number }
  /** One attempt may be made, by whoever comes first. */
  | { readonly kind: 'one_try'; readonly breaker: Breaker }
  /** It is being made; if nobody ever learns what came of it, another one is allowed at `untilMs`. */
  | { readonly kind: 'trying'; readonly breaker: Breaker; readonly untilMs: number };

/** What the breaker allows now. */
export function breakerState({ host, attempts }: HealingHistory, config: BreakerConfig, nowMs: number): BreakerState {
  const { breaker } = host;
  if (!breaker) return { kind: 'closed' };
  const halfOpenMs = breaker.openedAtMs + config.stay_open;
  if (nowMs < halfOpenMs) return { kind: 'open', breaker, untilMs: halfOpenMs };
  if (!breaker.tried) return { kind: 'one_try', breaker };
  const untilMs = (theTry(breaker, attempts)?.atMs ?? halfOpenMs) + config.stay_open;
  return nowMs < untilMs ? { kind: 'trying', breaker, untilMs } : { kind: 'one_try', breaker };
}

/** An hour: longer than a relapse can be late, so that no attempt is counted as failed twice. */
const leastRememberedMs = 3_600_000;
/** As many as `failed_actions` may ask for. */
const mostRemembered = 100;

/**
 * The host's memory with one failure more: that an attempt of `incident` did not help. The very same value when its last
 * attempt has been judged already, or it has none. The failure that completes the number opens the breaker; one of the
 * one try opens it anew.
 */
export function withFailure({ host, attempts }: HealingHistory, incident: { readonly id: string; readonly service: string }, { config, nowMs }: { config: BreakerConfig; nowMs: number }): HostHistory {
  const failed = attempts.findLast((attempt) => attempt.incident === incident.id);
  if (!failed || host.failures.some((failure) => failure.incident === incident.id && failure.atMs >= failed.atMs)) return host;
  const rememberedMs = Math.max(leastRememberedMs, config.open_when.within);
  const failures = [...host.failures.filter(({ atMs }) => nowMs - atMs < rememberedMs), { service: incident.service, incident: incident.id, atMs: nowMs }].slice(-mostRemembered);
  const breaker = breakerAfter({ host, attempts }, { failures, failed }, { config, nowMs });
  return { ...host, failures, ...(breaker ? { breaker } : {}) };
}

function breakerAfter(
  { host: { breaker }, attempts }: Pick<HealingHistory, 'host' | 'attempts'>,
  { failures, failed }: { readonly failures: HostHistory['failures']; readonly failed: Attempt },
  { config, nowMs }: { readonly config: BreakerConfig; readonly nowMs: number },
): Breaker | undefined {
  // An attempt that began before it opened, and ends now, neither renews nor decides anything.
  const wasTheTry = breaker?.tried === true && theTry(breaker, attempts) === failed;
  if (breaker && !wasTheTry) return breaker;
  if (wasTheTry) return { openedAtMs: nowMs, reason: `the one try, ${said(failed)}, did not help`, tried: false };
  const { failed_actions: times, within: withinMs } = config.open_when;
  const moments = failures.map(({ atMs }) => atMs);
  if (useOfWindow(moments, { times, withinMs }, nowMs).used < times) return undefined;
  const services = [...new Set(failures.filter(({ atMs }) => nowMs - atMs < withinMs).map(({ service }) => service))].join(', ');
  return { openedAtMs: nowMs, reason: `${times} attempts within ${formatDuration(withinMs)} did not help (${services})`, tried: false };
}

/** The host's memory once the one try helped; the very same value when the recovery of `incident` was none of its doing. */
export function withSuccess({ host, attempts }: HealingHistory, incident: { readonly id: string }): HostHistory {
  if (!host.breaker?.tried || theTry(host.breaker, attempts)?.incident !== incident.id) return host;
  const { breaker: _closed, ...rest } = host;
  return { ...rest, failures: [] };
}

/** A record of a version before this one does not name it: then it was the last attempt. */
function theTry({ triedBy }: Breaker, attempts: readonly Attempt[]): Attempt | undefined {
  return attempts.findLast(({ incident }) => triedBy === undefined || incident === triedBy);
}

function said({ service, action }: Attempt): string {
  return `${action} of ${service}`;
}
