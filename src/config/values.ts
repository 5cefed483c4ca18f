/**
 * The scalar values of the configuration language: durations, sizes, shares, addresses, paths, commands.
 * Each turns text into a typed number or object once; every message says what was expected.
 */
import { z } from 'zod';
import { parseAddress, type Address } from '../core/failure.ts';

const durationUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const sizeUnits = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** `250ms`, `15s`, `4m`, `1h`, `180d` → milliseconds. A number without a unit is refused: nobody can know it. */
export function duration() {
  return unit(durationUnits, 'a duration with its unit, such as 500ms, 15s, 5m or 1h');
}

/** `64KiB`, `1MiB`, `2GiB` → bytes. */
export function size() {
  return unit(sizeUnits, 'a size with its unit, such as 64KiB, 8MiB or 1GiB');
}

/** `50%` → 0.5. */
export function share() {
  return z
    .string({ error: 'expected a share such as 50%' })
    .regex(/^\d{1,3}(\.\d+)?%$/, { error: 'expected a share such as 50%' })
    .transform((text) => Number(text.slice(0, -1)) / 100)
    .refine((value) => value <= 1, { error: 'expected a share of at most 100%' });
}

/** `unix:/run/x.sock` or `host:port`. */
export function address() {
  return z.string({ error: addressExpected }).transform((text, context): Address => {
    const parsed = parseAddress(text);
    if (parsed) return parsed;
    context.addIssue({ code: 'custom', message: addressExpected });
    return z.NEVER;
  });
}
const addressExpected = 'expected unix:/absolute/path or host:port, such as unix:/run/php/php8.2-fpm.sock or 127.0.0.1:7080';

/** Letters, digits, `.`, `_`, `-`: a name that is safe in file names, metrics and pages. */
export function name() {
  return z
    .string({ error: 'expected a name' })
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { error: 'expected a name of letters, digits, ".", "_" or "-", at most 64 long' });
}

/** An absolute path without `..`. */
export function absolutePath() {
  return z
    .string({ error: 'expected an absolute path' })
    .regex(/^\/(?!.*(^|\/)\.\.(\/|$))[^\0\n]*$/, { error: 'expected an absolute path without ".."' });
}

/** `[/usr/sbin/php-fpm8.2, -t]`: a list, never a shell line; the program is an absolute path. */
export function command() {
  return z
    .array(z.string({ error: 'expected text; put numbers in quotes' }), { error: 'expected a command as a list, such as [/usr/sbin/nginx, -t]' })
    .min(1, { error: 'expected a command as a list, such as [/usr/sbin/nginx, -t]' })
    .refine((argv) => argv.length === 0 || argv[0]!.startsWith('/'), { error: 'expected the program as an absolute path: the search path is not used', path: [0] })
    .readonly();
}

/** A field of the language that this version does not act on yet: refused, so that nobody relies on it. */
export function notYet(what: string) {
  return z
    .unknown()
    .superRefine((value, context) => {
      if (value !== undefined) context.addIssue({ code: 'custom', message: `not yet: ${what} is not built in this version; remove the line` });
    })
    .optional();
}

/** One value, or a list of values: both read as a list. */
export function oneOrMany<T extends z.ZodType>(item: T) {
  return z.union([z.array(item).min(1, { error: 'expected at least one entry' }), item.transform((value) => [value])]);
}

function unit(units: Readonly<Record<string, number>>, expected: string) {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?)(${Object.keys(units).join('|')})$`);
  return z.string({ error: `expected ${expected}` }).transform((text, context): number => {
    const found = pattern.exec(text);
    if (found) return Math.round(Number(found[1]) * units[found[2]!]!);
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });
}
