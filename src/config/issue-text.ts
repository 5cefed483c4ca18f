import { z } from 'zod';

type RawIssue = z.core.$ZodRawIssue;

/** What was expected, for schemas that do not say it themselves. */
export function expectedText(issue: RawIssue): string | undefined {
  if (issue.code === 'invalid_type') return `expected ${typeWords[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `expected ${listWords(issue.values.map(String))}`;
  if (issue.code === 'too_small') return `expected ${issue.inclusive === false ? 'more than' : 'at least'} ${amount(issue.origin, Number(issue.minimum))}`;
  if (issue.code === 'too_big') return `expected ${issue.inclusive === false ? 'less than' : 'at most'} ${amount(issue.origin, Number(issue.maximum))}`;
  if (issue.code === 'invalid_format') return 'expected text of another form';
  // A union without words of its own: the branch that fits best speaks for it.
  if (issue.code === 'invalid_union') return '';
  return undefined;
}

/** `observe`, `observe or act`, `log, webhook or run` */
export function listWords(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** The value that came, short enough for a line. */
export function shownValue(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'keys and values';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

const typeWords: Readonly<Record<string, string>> = {
  string: 'text (put numbers in quotes)',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys and values below it',
  record: 'keys and values below it',
};

function amount(origin: string, limit: number): string {
  if (origin === 'string') return limit === 1 ? '1 character' : `${limit} characters`;
  if (origin === 'array') return limit === 1 ? '1 entry' : `${limit} entries`;
  return String(limit);
}
