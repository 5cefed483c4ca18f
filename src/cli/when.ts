/** How people say a moment of the past, in the machine's time zone. */

const ago = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** What the options that take a moment accept, for help and messages. */
export const whenExpected = 'such as 30m, 2h, 7d, today, yesterday, 2026-11-22 or 2026-11-22T03:00';

/**
 * Wall milliseconds of `30m`, `2h`, `7d`, `2w` (ago), `now`, `today`, `yesterday`, `2026-11-22` or an ISO time (without
 * a zone: local). A day means its first moment, with `edge: 'end'` its last. `undefined` when the text is none of these.
 */
export function parseWhen(text: string, nowMs: number, edge: 'start' | 'end' = 'start'): number | undefined {
  const length = /^(\d{1,6})([smhdw])$/.exec(text);
  if (length) return nowMs - Number(length[1]) * unitOf(length[2]!);
  if (text === 'now') return nowMs;
  const day = dayOf(text, new Date(nowMs));
  if (day) return edge === 'start' ? day.getTime() : new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1).getTime() - 1;
  if (!/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(text) || !dayOf(text.slice(0, 10), new Date(nowMs))) return undefined;
  const at = Date.parse(text.replace(' ', 'T'));
  return Number.isNaN(at) ? undefined : at;
}

function unitOf(letter: string): number {
  return letter === 's' || letter === 'm' || letter === 'h' || letter === 'd' || letter === 'w' ? ago[letter] : 0;
}

/** Local midnight of a day; days that no calendar has are none. */
function dayOf(text: string, now: Date): Date | undefined {
  if (text === 'today') return new Date(now.getFullYear(), now.getMonth(), now.getDate());
  if (text === 'yesterday') return new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!found) return undefined;
  const [year, month, day] = [Number(found[1]), Number(found[2]) - 1, Number(found[3])];
  const date = new Date(year, month, day);
  return date.getMonth() === month && date.getDate() === day ? date : undefined;
}

/** `2026-11-22 03:12:05`, local time. */
export function formatWhen(wallMs: number): string {
  const date = new Date(wallMs);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The zone of {@link formatWhen} at that moment: `+01:00`. */
export function formatZone(wallMs: number): string {
  const minutes = -new Date(wallMs).getTimezoneOffset();
  const two = (value: number) => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}
