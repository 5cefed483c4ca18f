/** What `goodgateway doctor` says: findings, and what it could not see. */

/** The five families of causes. The order is that of the help and of the documentation. */
export const families = ['service', 'load', 'configuration', 'port', 'application'] as const;
export type Family = (typeof families)[number];

/** `serious`: it hurts already, or with the next restart; `warning`: it will under load or in an outage; `info`: good to know. */
export const severities = ['serious', 'warning', 'info'] as const;
export type Severity = (typeof severities)[number];

/** One thing that will hurt, and how it is changed. Every text is at most some sentences, for people. */
export interface Finding {
  /** Names the kind of finding for ever: `nginx-read-timeout`. With `subject` it is the same finding in each run. */
  readonly id: string;
  readonly family: Family;
  readonly severity: Severity;
  /** Which service, file, port, path or unit. */
  readonly subject: string;
  /** What was found, with its numbers. */
  readonly what: string;
  /** Why it will hurt. */
  readonly why: string;
  /** The exact change: `FILE:LINE: the line to write`, or a command. */
  readonly change: string;
  /** What it was read from. */
  readonly source: string;
}

/** Something that was not looked at, and why. It is listed, never guessed. */
export interface Unseen {
  readonly subject: string;
  readonly why: string;
}

const namedAtMost = 5;

/** One entry for all that could not be seen for the same reason: a host may have hundreds of pools. */
export function together(what: string, unknown: readonly { readonly name: string; readonly why: string }[]): readonly Unseen[] {
  return [...new Set(unknown.map(({ why }) => why))].map((why) => ({ subject: `${what} ${listed(unknown.filter((one) => one.why === why).map(({ name }) => name))}`, why }));
}

/** `a, b, c` or `a, b, c, d, e and 245 more`. */
export function listed(names: readonly string[]): string {
  return names.length <= namedAtMost ? names.join(', ') : `${names.slice(0, namedAtMost).join(', ')} and ${names.length - namedAtMost} more`;
}

/** Serious ones first, then by family, id and subject: two runs over the same host print the same. */
export function sortFindings(findings: readonly Finding[]): readonly Finding[] {
  const rank = (one: Finding): number => severities.indexOf(one.severity) * families.length + families.indexOf(one.family);
  return findings.toSorted((a, b) => rank(a) - rank(b) || compare(a.id, b.id) || compare(a.subject, b.subject));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
