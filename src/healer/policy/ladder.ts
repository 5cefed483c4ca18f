/**
 * Which step is next: the first rule that matches, and how far its ladder has been climbed in this incident.
 * A rule that began goes on while the cause, diagnosed again, still matches it; otherwise the rules are matched anew.
 * A rule that is met again in the same incident goes on where it was left, so two rules cannot feed each other for ever.
 */
import type { RuleConfig, RungConfig } from '../../config/policy-schema.ts';
import type { Step } from '../../core/decision.ts';
import { isAtLeast, type Suspect } from '../../core/diagnosis.ts';

/** How far one rule was climbed: `attempt` tries were started on `rung` (0 is the lightest). */
export interface LadderPosition {
  readonly rule: string;
  readonly rung: number;
  readonly attempt: number;
}

/** Every rule that was begun in an incident; the one in use last. Part of the incident, not of the process. */
export type Ladder = readonly LadderPosition[];

export type NextStep =
  | { readonly kind: 'step'; readonly rule: RuleConfig; readonly step: Step }
  /** The cause matches, but has not lasted long enough; no later rule is tried. */
  | { readonly kind: 'pending'; readonly rule: RuleConfig; readonly step: Step; readonly waitMs: number }
  | { readonly kind: 'used_up'; readonly rule: RuleConfig }
  | { readonly kind: 'no_rule' };

/** What the next step is looked for with. */
export interface SuspectedCause {
  readonly suspect: Suspect;
  /** For how long the cause has been the same. */
  readonly lastedMs: number;
  /** A rung that nobody agreed to counts as used. */
  readonly isRefused: (rule: RuleConfig, rung: number) => boolean;
}

/** The next step of the rule in use, or of the first rule that matches. */
export function nextStep(rules: readonly RuleConfig[], ladder: Ladder, cause: SuspectedCause): NextStep {
  const begun = rules.find((rule) => rule.name === ladder.at(-1)?.rule);
  const goesOn = begun !== undefined && matches(begun, cause.suspect);
  const rule = goesOn ? begun : rules.find((candidate) => matches(candidate, cause.suspect));
  if (!rule) return { kind: 'no_rule' };
  const step = stepAfter(
    rule,
    ladder.find((position) => position.rule === rule.name),
    (rung) => cause.isRefused(rule, rung),
  );
  if (!step) return { kind: 'used_up', rule };
  // A rule that began has waited already: its own first step may have made the cause look new.
  const waitMs = goesOn ? 0 : rule.when.lasting - cause.lastedMs;
  return waitMs > 0 ? { kind: 'pending', rule, step, waitMs } : { kind: 'step', rule, step };
}

/** The ladder once `step` of `rule` has been started. */
export function climb(ladder: Ladder, rule: string, step: Step): Ladder {
  return [...ladder.filter((position) => position.rule !== rule), { rule, rung: step.rung, attempt: step.attempt }];
}

/** The heaviest step of the rule for which `isAttempt` holds, for the one try after giving up; `undefined` when it has none. */
export function lastStep(rule: RuleConfig, isAttempt: (rung: RungConfig, index: number) => boolean): Step | undefined {
  const rung = rule.try.findLastIndex(isAttempt);
  return rung < 0 ? undefined : toStep(rule.try[rung]!, rung, rule.try[rung]!.attempts + 1);
}

function matches(rule: RuleConfig, suspect: Suspect): boolean {
  if (!rule.when.cause.includes(suspect.cause)) return false;
  // Nobody can be more or less sure of not knowing.
  return suspect.cause === 'unknown' || isAtLeast(suspect.confidence, rule.when.confidence);
}

function stepAfter(rule: RuleConfig, position: LadderPosition | undefined, isRefused: (rung: number) => boolean): Step | undefined {
  const first = position?.rung ?? 0;
  const index = rule.try.findIndex((rung, i) => i >= first && !isRefused(i) && (i > first || (position?.attempt ?? 0) < rung.attempts));
  return index < 0 ? undefined : toStep(rule.try[index]!, index, index === first ? (position?.attempt ?? 0) + 1 : 1);
}

function toStep(rung: RungConfig, index: number, attempt: number): Step {
  return { action: rung.do, options: rung.with ?? {}, timeoutMs: rung.timeout, attempt, rung: index };
}
