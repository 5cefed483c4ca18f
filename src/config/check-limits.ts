import { validate } from './validate.ts';
import { duration } from './values.ts';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import type { SafetyConfig } from './safety-schema.ts';
import type { PolicyEntry } from './written.ts';

/**
 * Policies may be stricter than the host, never looser. What can be compared for certain is compared: more attempts in a
 * time than both budgets of the host allow together in that time can never be used, and whoever wrote them is mistaken
 * about one of the two. A host whose budgets are 0 has said already that nothing may be done.
 */
export function checkLimits(policies: readonly PolicyEntry[], { host_budget: budget }: SafetyConfig): readonly ConfigProblem[] {
  const each = budget.starts + budget.disruptive_actions;
  if (each === 0) return [];
  return policies.flatMap(({ document, path }) => {
    const at: Path = [...path, 'limits', 'max_attempts'];
    const times = valueAt(document.value, [...at, 'times']);
    const within = validate(duration(), valueAt(document.value, [...at, 'within']));
    if (typeof times !== 'number' || !within.ok || within.value === 0 || budget.within === 0) return [];
    // Half-open windows of the host's length: so many of them touch the policy's, at most.
    const allowed = each * Math.ceil(within.value / budget.within);
    if (times <= allowed) return [];
    const written = String(valueAt(document.value, [...at, 'within']));
    return [
      document.problem(
        [...at, 'times'],
        'value',
        `times: ${times} attempts within ${written} are looser than the host's limits, which allow at most ${allowed} in that time (safety.host_budget: ${budget.starts} starts and ${budget.disruptive_actions} disruptive actions); expected at most ${allowed}`,
      ),
    ];
  });
}
