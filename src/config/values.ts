/**
 * The scalar values of the configuration language: durations, sizes, shares, addresses, paths, commands.
 * Each turns text into a typed number or object once; every message says what was expected.
 */
import { z } from 'zod';
import { parseAddress, type Address } from '../core/failure.ts';

const durationUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const sizeUnits = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** What people write for a unit, in small letters, and how it is spelled here. */
const durationWords = { msec: 'ms', sec: 's', secs: 's', second: 's', seconds: 's', min: 'm', mins: 'm', minute: 'm', minutes: 'm', hr: 'h', hour: 'h', hours: 'h', day: 'd', days: 'd' };
const sizeWords = { b: 'B', k: 'KiB', kb: 'KiB', kib: 'KiB', m: 'MiB', mb: 'MiB', mib: 'MiB', g: 'GiB', gb: 'GiB', gib: 'GiB' };

/** Node's timers take a signed 32-bit number of milliseconds and fire at once above it: 24.8 days. */
const longestTimerMs = 24 * 86_400_000;

/**
 * `250ms`, `15s`, `4m`, `1h`, `20d` → milliseconds. A number without a unit is refused: nobody can know it.
 * At most 24 days.
 */
export function duration() {
  return unit(durationScale)
    .refine((ms) => ms <= longestTimerMs, { error: 'expected at most 24d' })
    .meta({ title: 'duration' });
}

/** How long something is kept: a duration that no timer waits for. At most ten years. */
export function retention() {
  return unit(durationScale)
    .refine((ms) => ms <= longestRetentionMs, { error: 'expected at most 3650d' })
    .meta({ title: 'duration' });
}

const durationScale = { units: durationUnits, words: durationWords, expected: 'a duration with its unit, such as 500ms, 15s, 5m or 1h' };
const longestRetentionMs = 3650 * 86_400_000;

/** `64KiB`, `1MiB`, `2GiB` → bytes. At most 1024GiB, so that sums stay exact. */
export function size() {
  const scale = { units: sizeUnits, words: sizeWords, expected: 'a size with its unit, such as 64KiB, 8MiB or 1GiB' };
  return unit(scale)
    .refine((bytes) => bytes <= 1024 ** 4, { error: 'expected at most 1024GiB' })
    .meta({ title: 'size' });
}

/** `50%` → 0.5. */
export function share() {
  return z
    .string({ error: 'expected a share such as 50%' })
    .regex(/^\d{1,3}(\.\d+)?%$/, { error: 'expected a share such as 50%' })
    .transform((text) => Number(text.slice(0, -1)) / 100)
    .refine((value) => value <= 1, { error: 'expected a share of at most 100%' })
    .meta({ title: 'share' });
}

/** `unix:/run/x.sock` or `host:port`. */
export function address() {
  return z
    .string({ error: addressExpected })
    .transform((text, context): Address => {
      const parsed = parseAddress(text);
      const tooLong = parsed?.kind === 'unix' && Buffer.byteLength(parsed.path) > longestSocketPath;
      if (parsed && !tooLong) return parsed;
      const message = tooLong ? `expected a socket path of at most ${longestSocketPath} bytes: the kernel takes no longer one` : `${addressExpected}, got ${JSON.stringify(text)}${addressHint(text)}`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .meta({ title: 'address' });
}

/** sun_path holds 108 bytes with the closing zero, @see unix(7). */
const longestSocketPath = 107;

function addressHint(text: string): string {
  const meant = text.startsWith('/') ? `unix:${text}` : /^\d{1,5}$/.test(text) ? `127.0.0.1:${text}` : text.replace(/^http:\/\//, '').replace(/\/$/, '');
  return meant !== text && parseAddress(meant) ? `: did you mean \`${meant}\`?` : '';
}
const addressExpected = 'expected unix:/absolute/path or host:port, such as unix:/run/php/php8.2-fpm.sock or 127.0.0.1:7080';

/** Letters, digits, `.`, `_`, `-`: a name that is safe in file names, metrics and pages. */
export function name() {
  return z
    .string({ error: 'expected a name' })
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { error: 'expected a name of letters, digits, ".", "_" or "-", at most 64 long' })
    .meta({ title: 'name' });
}

/** An absolute path without `..`. */
export function absolutePath() {
  return z
    .string({ error: 'expected an absolute path' })
    .regex(/^\/(?!.*(^|\/)\.\.(\/|$))[^\0\n]*$/, { error: 'expected an absolute path without ".."' })
    .meta({ title: 'absolute path' });
}

/** `[/usr/sbin/php-fpm8.2, -t]`: a list, never a shell line; the program is an absolute path. */
export function command() {
  return z
    .array(z.string({ error: 'expected text; put numbers in quotes' }), { error: 'expected a command as a list, such as [/usr/sbin/nginx, -t]' })
    .min(1, { error: 'expected a command as a list, such as [/usr/sbin/nginx, -t]' })
    .refine((argv) => argv.length === 0 || argv[0]!.startsWith('/'), { error: 'expected the program as an absolute path: the search path is not used', path: [0] })
    .readonly()
    .meta({ title: 'command' });
}

/** The version of the language, the first line of every file. */
export function version() {
  return z.literal(1, { error: 'expected 1' }).describe('The version of the language.');
}

/** A field of the language that this version does not act on yet: refused, so that nobody relies on it. */
export function notYet(what: string) {
  return refused(`not yet: ${what} is not built in this version; remove the line`).describe('Not built in this version: refused.');
}

/** A field that people look for here, and that is set elsewhere. */
export function movedTo(place: string) {
  return refused(`this is set by ${place}; remove the line`).describe(`Refused: this is set by ${place}.`);
}

function refused(message: string) {
  return z
    .unknown()
    .superRefine((value, context) => {
      if (value !== undefined) context.addIssue({ code: 'custom', message, params: { at: 'key' } });
    })
    .optional();
}

/** One value, or a list of values: both read as a list. */
export function oneOrMany<T extends z.ZodType>(item: T) {
  return z.union([z.array(item).min(1, { error: 'expected at least one entry' }), item.transform((value) => [value])]);
}

interface Scale {
  readonly units: Readonly<Record<string, number>>;
  readonly words: Readonly<Record<string, string>>;
  readonly expected: string;
}

function unit(scale: Scale) {
  const pattern = new RegExp(`^(\\d{1,12}(?:\\.\\d{1,6})?)(${Object.keys(scale.units).join('|')})$`);
  const error = ({ input }: { readonly input?: unknown }) => (input === undefined ? `expected ${scale.expected}` : `expected ${scale.expected}, got ${JSON.stringify(input)}${unitHint(input, scale)}`);
  return z
    .string({ error })
    .regex(pattern, { error })
    .transform((text): number => {
      const [, count, name] = pattern.exec(text)!;
      return Math.round(Number(count) * scale.units[name!]!);
    });
}

function unitHint(input: unknown, scale: Scale): string {
  if (typeof input === 'number') return ': the unit is missing';
  const found = /^(\d+(?:\.\d+)?) *([A-Za-z]+)$/.exec(String(input));
  if (!found) return '';
  const written = found[2]!;
  const meant = Object.hasOwn(scale.units, written) ? written : scale.words[written.toLowerCase()];
  return meant === undefined ? '' : `: did you mean \`${found[1]}${meant}\`?`;
}
