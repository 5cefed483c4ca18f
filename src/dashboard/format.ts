/** How moments, numbers and sentences are said. Moments are in the zone of whoever reads. */
import { formatDuration } from '../core/time.ts';

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const hour = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' });
const dayOfYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const count = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });
const small = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });

/** `03:12:05`. */
export function formatClock(ms: number): string {
  return clock.format(ms);
}

/** `03:12:05` today, else with its day. */
export function formatMoment(ms: number): string {
  const now = new Date();
  if (new Date(ms).toDateString() === now.toDateString()) return formatClock(ms);
  return `${(new Date(ms).getFullYear() === now.getFullYear() ? day : dayOfYear).format(ms)}, ${formatClock(ms)}`;
}

/** `Sun 22 Nov`; on an axis of a few days with the hour, `Sun 22 Nov 14:00`. */
export function formatDay(ms: number, withHour: boolean): string {
  return withHour ? `${day.format(ms)} ${hour.format(ms)}` : day.format(ms);
}

/** `1,204`; below ten with one digit behind the point where it has one. */
export function formatCount(value: number): string {
  return (value < 10 ? small : count).format(value);
}

/** `12 requests`, `1 request`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`;
}

/** `850 ms`, or a dash where nothing was measured. */
export function formatLatency(ms: number | undefined): string {
  return ms === undefined ? '–' : formatDuration(ms);
}

/** A sentence ends with a stop. */
export function withStop(text: string): string {
  return /[.!?…:]["')]?$/.test(text.trimEnd()) ? text : `${text.trimEnd()}.`;
}

/** The reader's own zone, for the foot of the page. */
export function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
