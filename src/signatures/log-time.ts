/** The times that logs write. Zones are left out: programs of one host mostly write its own time, and nobody can know the host. */

/** A moment as it was written. Syslog and the kernel write no year. */
export interface LogTime {
  readonly year: number | undefined;
  /** Milliseconds since the beginning of the year, as if it were a leap year. */
  readonly inYearMs: number;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const month = `(?<month>${months.join('|')})`;
const clock = String.raw`(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2}))?`;

/** Each is looked for in the first characters of a line only. The order matters: what says most comes first. */
const forms: readonly RegExp[] = [
  // nginx 2015/05/02 11:33:53; MariaDB, PostgreSQL, dpkg, journal, Docker 2026-11-22T08:08:03
  new RegExp(String.raw`(?<!\d)(?<year>\d{4})([/-])(?<number>\d{2})\2(?<day>\d{2})[ T]${clock}`),
  // php-fpm 22-Nov-2026 08:08:03, an access log 03/Aug/2025:04:13:37, Redis 22 Nov 2026 08:08:03
  new RegExp(String.raw`(?<!\d)(?<day>\d{1,2})[ /-]${month}[ /-](?<year>\d{4})[ :]${clock}`),
  // Apache Sun Nov 22 08:08:03.123456 2026
  new RegExp(String.raw`\b${month} (?<day>\d{1,2}) ${clock}(?:\.\d{1,9})? (?<year>\d{4})\b`),
  // syslog Nov 22 08:08:03
  new RegExp(String.raw`\b${month} {1,2}(?<day>\d{1,2}) ${clock}`),
];
const searchedLength = 200;

/** The first time in a line; `undefined` where there is none. */
export function timeIn(text: string): LogTime | undefined {
  const start = text.slice(0, searchedLength);
  for (const form of forms) {
    const { year, month: name, number, day, hour, minute, second = '0' } = form.exec(start)?.groups ?? {};
    if (day === undefined) continue;
    const monthIndex = number === undefined ? months.indexOf(name ?? '') : Number(number) - 1;
    const inYearMs = Date.UTC(2000, monthIndex, Number(day), Number(hour), Number(minute), Number(second)) - Date.UTC(2000, 0, 1);
    return { year: year === undefined ? undefined : Number(year), inYearMs };
  }
  return undefined;
}

/** Comparable milliseconds; `year` where the time has none. */
export function momentMs(time: LogTime, year: number): number {
  return (time.year ?? year) * 366 * 86_400_000 + time.inYearMs;
}

/** `2026-11-22T08:08:03`, or `11-22T08:08:03` where no year was written. */
export function timeText({ year, inYearMs }: LogTime): string {
  const text = new Date(Date.UTC(2000, 0, 1) + inYearMs).toISOString().slice(5, 19);
  return year === undefined ? text : `${String(year).padStart(4, '0')}-${text}`;
}
