/**
 * From single failures to a symptom: so many of a kind within so long, as the policy's `detect` says; and from the share
 * of the application's own errors among its answers. Pure; it only counts. A failed connect needs no counting: the healer
 * confirms it by a connect of its own.
 */
import { symptomGroups, type PolicyConfig } from '../config/policy-schema.ts';
import type { FailureKind } from '../core/failure.ts';
import type { Symptom } from '../core/incident.ts';

/** Failures that are kept for counting; older ones fall out first. */
const mostKept = 2000;

/** Half of the answers, where a rule about the application's own errors names no share: a busy shop has some always. */
const errorShare = 0.5;
const byDefault: PolicyConfig['detect'] = [
  { name: 'It fails', if: ['connection_failed', 'no_answer', 'bad_answer'], for: { times: 3, within: 10_000 } },
  { name: 'It answers with errors', if: ['status_5xx'], for: { times: 10, within: 30_000, share: errorShare } },
];

interface Seen {
  readonly kind: FailureKind | 'status_5xx';
  readonly count: number;
  readonly atMs: number;
}

/** What a gateway was answered in one period. */
export interface Answers {
  readonly gateway: string;
  readonly completed: number;
  /** Of these, the application's own errors. */
  readonly status5xx: number;
  readonly atMs: number;
}

export interface ReportedFailure {
  readonly gateway: string;
  readonly kind: FailureKind;
  readonly detail: string;
  readonly errno?: string | undefined;
  readonly atMs: number;
}

interface Rule {
  readonly kinds: ReadonlySet<string>;
  readonly times: number;
  readonly withinMs: number;
  readonly share: number | undefined;
}

export class Detector {
  readonly #rules: readonly Rule[];
  #seen: Seen[] = [];
  /** Answers of the last seconds, for `share`; one entry a summary. */
  #answers: { readonly count: number; readonly atMs: number }[] = [];

  constructor(detect: PolicyConfig['detect']) {
    this.#rules = (detect.length > 0 ? detect : byDefault).map((rule) => {
      const kinds = new Set(rule.if.flatMap(membersOf));
      return { kinds, times: rule.for.times, withinMs: rule.for.within, share: rule.for.share ?? (kinds.has('status_5xx') ? errorShare : undefined) };
    });
  }

  /** The symptom, once there are enough of the application's own errors, and some among these very answers. */
  answered({ gateway, completed, status5xx, atMs }: Answers): Symptom | undefined {
    if (completed > 0) this.#answers = [...this.#answers.slice(-200), { count: completed, atMs }];
    if (status5xx === 0) return undefined;
    const rule = this.#note({ kind: 'status_5xx', count: status5xx, atMs });
    if (!rule) return undefined;
    const sinceMs = atMs - rule.withinMs;
    const count = this.#countOf(new Set(['status_5xx']), sinceMs);
    return {
      seenBy: 'traffic',
      kind: 'status_5xx',
      gateway,
      count,
      text: `${count} of ${this.#answersSince(sinceMs)} answers in ${rule.withinMs / 1000} s were errors of the application itself (status 5xx)`,
    };
  }

  /** The symptom, once there are enough failures of one rule's kinds. */
  failed(failure: ReportedFailure): Symptom | undefined {
    const rule = this.#note({ kind: failure.kind, count: 1, atMs: failure.atMs });
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

  /** The rule that is met now that this was seen, too. */
  #note(seen: Seen): Rule | undefined {
    this.#seen = [...this.#seen.slice(1 - mostKept), seen];
    return this.#rules.find((one) => one.kinds.has(seen.kind) && this.#isMet(one, seen.atMs));
  }

  #isMet({ kinds, times, withinMs, share }: Rule, nowMs: number): boolean {
    const sinceMs = nowMs - withinMs;
    const count = this.#countOf(kinds, sinceMs);
    if (count < times) return false;
    if (share === undefined) return true;
    // an error of the application is an answer, too
    const failures = count - (kinds.has('status_5xx') ? this.#countOf(new Set(['status_5xx']), sinceMs) : 0);
    return count / (failures + this.#answersSince(sinceMs)) >= share;
  }

  #answersSince(sinceMs: number): number {
    return this.#answers.filter((one) => one.atMs > sinceMs).reduce((sum, one) => sum + one.count, 0);
  }

  #countOf(kinds: ReadonlySet<string>, sinceMs: number): number {
    return this.#seen.filter((one) => one.atMs > sinceMs && kinds.has(one.kind)).reduce((sum, one) => sum + one.count, 0);
  }
}

function membersOf(name: string): readonly string[] {
  return name in symptomGroups ? symptomGroups[name as keyof typeof symptomGroups] : [name];
}
