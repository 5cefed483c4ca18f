/**
 * How often systemd would still start a unit before it refuses (StartLimitBurst within StartLimitIntervalSec). systemd
 * counts, but tells nobody; so the starts are counted here, by what each look shows: a new InvocationID is a start, and
 * NRestarts tells of those between two looks. Rather too many than too few: systemd's own count begins anew at fixed
 * times, this one forgets each start only when it is older than the interval. What nobody could see are starts by hand
 * between two looks, and before the healer's first one.
 */

/** One look at a unit; times of the monotonic clock in microseconds. */
export interface StartsSeen {
  readonly unit: string;
  readonly invocation: string;
  readonly restarts: number;
  /** When its main process was started last; 0: never. */
  readonly startedUs: number;
  /** 0: there is no limit. */
  readonly burst: number;
  /** Infinity: nothing is ever forgotten. */
  readonly intervalUs: number;
  readonly nowUs: number;
}

interface Start {
  readonly invocation: string;
  readonly atUs: number;
}

/** No unit may be started more often than this within its interval and still be counted. */
const mostStarts = 1000;
/** One entry for each unit of the configuration. */
const known = new Map<string, { readonly restarts: number; readonly starts: readonly Start[] }>();

/** How many starts are left, at least; `undefined` where systemd has no limit for the unit. */
export function startsLeft(seen: StartsSeen): number | undefined {
  const { unit, invocation, restarts, startedUs, burst, intervalUs, nowUs } = seen;
  const before = known.get(unit);
  const isNew = invocation !== '' && !before?.starts.some((start) => start.invocation === invocation);
  // Of the first look: its automatic restarts led to the start that is seen, when nobody knows.
  const missed = before ? Math.max(0, restarts - before.restarts) : restarts + 1;
  const added = isNew ? Math.max(1, missed) : before ? missed : 0;
  // Later looks take their own time: where a run fails before its main process, that one's time is of the run before.
  const start: Start = { invocation, atUs: before || startedUs === 0 ? nowUs : startedUs };
  const starts = [...(before?.starts ?? []), ...Array.from({ length: Math.min(added, mostStarts) }, () => start)].slice(-mostStarts);
  known.set(unit, { restarts, starts: starts.filter(({ atUs }, at) => nowUs - atUs < intervalUs || at === starts.length - 1) });
  if (burst <= 0 || intervalUs <= 0) return undefined;
  return Math.max(0, burst - starts.filter(({ atUs }) => nowUs - atUs < intervalUs).length);
}
