/**
 * Whether a repair helped: every check must pass once within `within`, and then go on passing for `stableFor`.
 * A check that cannot be made on this machine is skipped, says why, and never counts as failed.
 */
import type { CheckConfig } from '../config/policy-schema.ts';
import { formatAddress } from '../core/failure.ts';
import { formatDuration, type Clock } from '../core/time.ts';

export interface CheckResult {
  readonly passed: boolean | 'skipped';
  /** What was seen, as one plain sentence. */
  readonly text: string;
}

/**
 * Makes one check once. Never rejects, and ends when the signal aborts. `firstPassWallMs`: wall time since when all
 * checks pass and traffic is let through again; `undefined` before.
 */
export type RunCheck = (check: CheckConfig, moment: { readonly signal: AbortSignal; readonly firstPassWallMs: number | undefined }) => Promise<CheckResult>;

export interface Verification {
  /** `unknown`: it was broken off, or nothing at all could be checked. */
  readonly outcome: 'recovered' | 'not_recovered' | 'unknown';
  /** One sentence: what passed or failed, and when. */
  readonly text: string;
  /** The last result of each check. */
  readonly checks: readonly (CheckResult & { readonly check: string })[];
  /** From the beginning until all checks passed for the first time. */
  readonly firstPassMs?: number;
  readonly tookMs: number;
}

export interface VerifyOptions {
  readonly checks: readonly CheckConfig[];
  /** Milliseconds until all checks must have passed once. */
  readonly within: number;
  /** Milliseconds for which they must go on passing. */
  readonly stableFor: number;
  readonly runCheck: RunCheck;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called once, at the first moment when everything passes: waiting requests are let go here. */
  readonly onFirstPass: () => void;
}

/** A service that is back is seen at once; one that stays away is not hammered. In milliseconds. */
const pauses = { first: 50, factor: 1.5, longest: 250 } as const;
/** One look that takes longer is a failed one, and is made again: what hangs must not hide what answers. */
const longestCheckMs = 5000;

/** Checks until the outcome is known: at most `within + stableFor + 5 s`. Never rejects. */
export async function verify(options: VerifyOptions): Promise<Verification> {
  const { clock, signal, stableFor } = options;
  const startedMs = clock.monotonicMs();
  const ended = (outcome: Verification['outcome'], text: string, round: Round, firstPassMs?: number): Verification => ({
    outcome,
    text,
    checks: round.checks,
    tookMs: clock.monotonicMs() - startedMs,
    ...(firstPassMs === undefined ? {} : { firstPassMs }),
  });

  const first = await untilFirstPass(options, startedMs + options.within);
  if (signal.aborted) return ended('unknown', 'the verification was broken off', first);
  if (first.verdict === 'nothing') return ended('unknown', `nothing could be checked: ${say(first.checks)}`, first);
  if (first.verdict === 'failed') return ended('not_recovered', `not well within ${formatDuration(options.within)}: ${say(failedOf(first.checks))}`, first);

  const firstPassMs = clock.monotonicMs() - startedMs;
  const firstPassWallMs = clock.wallMs();
  options.onFirstPass();
  let round = first;
  while (clock.monotonicMs() - startedMs - firstPassMs < stableFor) {
    await clock.sleep(Math.min(pauses.longest, stableFor), signal);
    if (!signal.aborted) round = await checkAll(options, { forMs: longestCheckMs, firstPassWallMs });
    if (signal.aborted) return ended('unknown', 'the verification was broken off', round, firstPassMs);
    const afterMs = clock.monotonicMs() - startedMs - firstPassMs;
    if (round.verdict === 'failed') return ended('not_recovered', `well at first, but failed again after ${formatDuration(afterMs)}: ${say(failedOf(round.checks))}`, round, firstPassMs);
  }
  return ended('recovered', `well after ${formatDuration(firstPassMs)}, and stayed so for ${formatDuration(stableFor)}`, round, firstPassMs);
}

/** A check as the policy spells it: `connect: ok`. */
export function nameOfCheck(check: CheckConfig): string {
  if ('service' in check) return `service: ${check.service}`;
  if ('unit' in check) return `unit: ${check.unit}`;
  if ('connect' in check) return `connect: ${check.connect}`;
  if ('listening' in check) return `listening: ${formatAddress(check.listening)}`;
  if ('fpm_ping' in check) return `fpm_ping: ${check.fpm_ping}`;
  if ('container' in check) return `container: ${check.container}`;
  if ('mysql' in check) return `mysql: ${check.mysql}`;
  if ('redis' in check) return `redis: ${check.redis}`;
  if ('memcached' in check) return `memcached: ${check.memcached}`;
  if ('http' in check) return `http: ${check.http.url}`;
  return `traffic: errors below ${Math.round(check.traffic.errors_below * 1000) / 10}%`;
}

interface Round {
  readonly verdict: 'passed' | 'failed' | 'nothing';
  readonly checks: Verification['checks'];
}

async function untilFirstPass(options: VerifyOptions, deadlineMs: number): Promise<Round> {
  const { clock, signal } = options;
  let pauseMs: number = pauses.first;
  for (;;) {
    const round = await checkAll(options, { forMs: Math.min(longestCheckMs, Math.max(1, deadlineMs - clock.monotonicMs())), firstPassWallMs: undefined });
    const leftMs = deadlineMs - clock.monotonicMs();
    if (round.verdict !== 'failed' || leftMs <= 0 || signal.aborted) return round;
    await clock.sleep(Math.min(pauseMs, leftMs), signal);
    if (signal.aborted) return round;
    pauseMs = Math.min(pauses.longest, pauseMs * pauses.factor);
  }
}

/** All checks at once. When none of them can be made, a connect decides. */
async function checkAll(options: VerifyOptions, limit: { readonly forMs: number; readonly firstPassWallMs: number | undefined }): Promise<Round> {
  const checks = await Promise.all(options.checks.map((check) => checkOnce(check, options, limit)));
  const allSkipped = checks.every((check) => check.passed === 'skipped');
  const connectMade = options.checks.some((check) => 'connect' in check);
  if (allSkipped && !connectMade) checks.push(await checkOnce({ connect: 'ok' }, options, limit));
  if (checks.every((check) => check.passed === 'skipped')) return { verdict: 'nothing', checks };
  return { verdict: checks.some((check) => check.passed === false) ? 'failed' : 'passed', checks };
}

async function checkOnce(
  check: CheckConfig,
  { runCheck, clock, signal }: VerifyOptions,
  { forMs, firstPassWallMs }: { readonly forMs: number; readonly firstPassWallMs: number | undefined },
): Promise<Verification['checks'][number]> {
  const finished = new AbortController();
  const late = new AbortController();
  const deadline = clock.sleep(forMs, AbortSignal.any([signal, finished.signal])).then((): CheckResult => {
    late.abort();
    return { passed: false, text: signal.aborted ? 'broken off' : `no result within ${formatDuration(forMs)}` };
  });
  const result = await Promise.race([runCheck(check, { signal: AbortSignal.any([signal, late.signal]), firstPassWallMs }), deadline]);
  finished.abort();
  return { check: nameOfCheck(check), ...result };
}

function failedOf(checks: Verification['checks']): Verification['checks'] {
  return checks.filter((check) => check.passed === false);
}

function say(checks: Verification['checks']): string {
  return checks.map(({ check, text }) => `${check} (${text})`).join(', ');
}
