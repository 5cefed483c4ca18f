/**
 * Maintenance windows: times of day in a time zone. A window begins at its first minute on a day of its list and ends
 * at the next occurrence of its last one, both in local time, so it may go over midnight and over a change of the
 * clocks. A time that the clocks leap over is the moment of the leap: a window that lies wholly inside has no length. A
 * time that comes twice begins a window at its first and ends it at its second occurrence. Pure; the zones are Intl's.
 */
import type { MaintenanceWindow } from '../../config/safety-schema.ts';

export interface OpenWindow {
  readonly window: MaintenanceWindow;
  /** Wall time of its end. */
  readonly endMs: number;
}

const dayMs = 86_400_000;

/** The windows that are open for this service now. */
export function openWindows(windows: readonly MaintenanceWindow[], service: string, wallMs: number): readonly OpenWindow[] {
  return windows
    .filter((window) => window.services?.includes(service) ?? true)
    .flatMap((window) => {
      const endMs = endOf(window, wallMs);
      return endMs === undefined ? [] : [{ window, endMs }];
    });
}

const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

function endOf(window: MaintenanceWindow, wallMs: number): number | undefined {
  const offsetAt = offsetsOf(window.timezone);
  const [from, to] = [minutesOf(window.every.slice(0, 5)), minutesOf(window.every.slice(6))];
  const localMs = wallMs + offsetAt(wallMs);
  const today = localMs - (((localMs % dayMs) + dayMs) % dayMs);
  // Only one that began today or yesterday can still be open: none is longer than a day.
  for (const day of [today - dayMs, today]) {
    if (!window.days.includes(weekdays[new Date(day).getUTCDay()]!)) continue;
    const startMs = momentOf(day + from * 60_000, 'first', offsetAt);
    const endMs = momentOf(day + (to > from ? 0 : dayMs) + to * 60_000, 'last', offsetAt);
    if (startMs <= wallMs && wallMs < endMs) return endMs;
  }
  return undefined;
}

function minutesOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
}

/** How far local time is ahead of UTC at a moment, in milliseconds. */
type OffsetAt = (wallMs: number) => number;

function offsetsOf(timeZone: string): OffsetAt {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' });
  return (wallMs) => {
    const parts = new Map(format.formatToParts(wallMs).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
    const localMs = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
    return localMs - Math.floor(wallMs / 1000) * 1000;
  };
}

/** The moment at which local clocks show `localMs` (local time written as if it were UTC). */
function momentOf(localMs: number, which: 'first' | 'last', offsetAt: OffsetAt): number {
  // The clocks change once in two days at most, so these are the two offsets that may hold.
  const [before, after] = [offsetAt(localMs - dayMs), offsetAt(localMs + dayMs)];
  const moments = [localMs - before, localMs - after].filter((wallMs) => wallMs + offsetAt(wallMs) === localMs);
  if (moments.length > 0) return which === 'first' ? Math.min(...moments) : Math.max(...moments);
  return leapBetween(localMs - after, localMs - before, offsetAt);
}

/** The first moment with the later offset; the two moments lie before and after one change of the clocks. */
function leapBetween(beforeMs: number, afterMs: number, offsetAt: OffsetAt): number {
  const later = offsetAt(afterMs);
  let [low, high] = [beforeMs, afterMs];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle) === later) high = middle;
    else low = middle;
  }
  return high;
}
