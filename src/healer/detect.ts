/**
 * From single failures to a symptom: so many of a kind within so long, as the policy's `detect` says. Pure; it only
 * counts. A failed connect needs no counting: the healer confirms it by a connect of its own.
 */
import { symptomGroups, type PolicyConfig } from '../config/policy-schema.ts';
import type { FailureKind } from '../core/failure.ts';
import type { Symptom } from '../core/incident.ts';

/** Failures that are kept for counting; older ones fall out first. */
const mostKept = 2000;

interface Seen {
  readonly kind: FailureKind;
  readonly atMs: number;
}

export interface ReportedFailure {
  readonly gateway: string;
  readonly kind: FailureKind;
  readonly detail: string;
  readonly errno?: string | undefined;
  readonly atMs: number;
}

export class Detector {
  readonly #rules: readonly { readonly kinds: ReadonlySet<string>; readonly times: number; readonly withinMs: number; readonly share: number | undefined }[];
  #seen: Seen[] = [];
  /** Answers of the last seconds, for `share`; one entry a summary. */
  #answers: { readonly count: number; readonly atMs: number }[] = [];

  constructor(detect: PolicyConfig['detect']) {
    const rules = detect.length > 0 ? detect : [{ if: ['connection_failed', 'no_answer', 'bad_answer'], for: { times: 3, within: 10_000 } }];
    this.#rules = rules.map((rule) => ({ kinds: new Set(rule.if.flatMap(membersOf)), times: rule.for.times, withinMs: rule.for.within, share: 'share' in rule.for ? rule.for.share : undefined }));
  }

  answered(count: number, atMs: number): void {
    if (count > 0) this.#answers = [...this.#answers.slice(-200), { count, atMs }];
  }

  /** The symptom, once there are enough failures of one rule's kinds. */
  failed(failure: ReportedFailure): Symptom | undefined {
    this.#seen = [...this.#seen.slice(1 - mostKept), { kind: failure.kind, atMs: failure.atMs }];
    const rule = this.#rules.find((one) => one.kinds.has(failure.kind) && this.#isMet(one, failure.atMs));
    if (!rule) return undefined;
    const count = this.#countOf(rule.kinds, failure.atMs - rule.withinMs);
    return {
      seenBy: 'traffic',
      kind: failure.kind,
      gateway: failure.gateway,
      count,
      ...(failure.errno !== undefined && { errno: failure.errno }),
      text: `${count} failed ${count === 1 ? 'request' : 'requests'} in ${rule.withinMs / 1000} s, the last one: ${failure.detail}`,
    };
  }

  /** An incident begins or ends: what led to it does not count twice. */
  clear(): void {
    this.#seen = [];
  }

  #isMet(rule: { kinds: ReadonlySet<string>; times: number; withinMs: number; share: number | undefined }, nowMs: number): boolean {
    const count = this.#countOf(rule.kinds, nowMs - rule.withinMs);
    if (count < rule.times) return false;
    if (rule.share === undefined) return true;
    const answers = this.#answers.filter((one) => one.atMs > nowMs - rule.withinMs).reduce((sum, one) => sum + one.count, 0);
    return count / (count + answers) >= rule.share;
  }

  #countOf(kinds: ReadonlySet<string>, sinceMs: number): number {
    return this.#seen.filter((one) => one.atMs > sinceMs && kinds.has(one.kind)).length;
  }
}

function membersOf(name: string): readonly string[] {
  return name in symptomGroups ? symptomGroups[name as keyof typeof symptomGroups] : [name];
}
