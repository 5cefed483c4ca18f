/** Gates that ask what the step rests on: is it allowed for this trouble at all, and is the cause sure enough for it? */
import type { Reach } from '../../core/decision.ts';
import { confidences, isAtLeast, type Confidence } from '../../core/diagnosis.ts';
import { whyHarmful } from '../../core/harmful-remedies.ts';
import { termsFor } from './approvals.ts';
import { disturbs, limitsOf, pass, refuse, type GateInput, type Verdict } from './gates.ts';

/** The rule's own word, and the policy's, win over everything; and whatever they say, what is known to do harm is not done. */
export function never({ rule, policy, step, diagnosis: { best } }: GateInput): Verdict {
  if (rule.never.includes(step.action)) return refuse(`the rule "${rule.name}" forbids ${step.action}`);
  if (policy.never.includes(step.action)) return refuse(`the policy ${policy.name} forbids ${step.action}`);
  const harm = whyHarmful(best.cause, step.action, termsFor(policy, rule, step, true)?.otherwise === 'skip');
  if (harm !== undefined) return refuse(`${step.action} does harm while the cause is ${best.cause}: ${harm}`);
  return pass(`neither rule nor policy forbids ${step.action}, and it is not known to do harm here`);
}

/** Who can disturb more must be surer; an action's own `needs`, and the policy's blast radius, may ask for more still. */
const neededForReach: Readonly<Record<Reach, Confidence>> = { none: 'possible', worker: 'possible', pool: 'likely', service: 'likely', host: 'certain' };

/**
 * Is the cause sure enough? A start of what is dead, waiting and telling need no cause. What disturbs a living service
 * needs a direct sign or two independent ones; an unknown cause has neither, so there only a person's word will do.
 */
export function confidence(input: GateInput): Verdict {
  const { actions, step, policy, diagnosis } = input;
  const { best } = diagnosis;
  const action = limitsOf(actions, step);
  if (best.cause === 'unknown') return unknownCause(input);
  const raised = disturbs(action) ? policy.limits.blast_radius : undefined;
  const needed = highest([action.needs, neededForReach[action.reach], ...(raised ? [raised.needs] : [])]);
  const shared = raised ? `, as it stops ${raised.tenants === 'all' ? 'every site' : `${raised.tenants} sites`}` : '';
  const compared = `${best.cause} is ${best.confidence}; ${step.action} (reach: ${action.reach}) needs ${needed}${shared}`;
  return isAtLeast(best.confidence, needed) ? pass(compared) : refuse(compared);
}

function unknownCause({ actions, step, policy, rule }: GateInput): Verdict {
  const action = limitsOf(actions, step);
  if (!disturbs(action)) return pass(`the rule asks for ${step.action} although the cause is unknown`);
  if (termsFor(policy, rule, step, true)) return pass(`the cause is unknown, so ${step.action} is done on a person's word only`);
  return refuse(`the cause is unknown, and ${step.action} disturbs the service: nothing speaks for it; give the step an \`approval:\`, or the rule a cause`);
}

function highest(words: readonly Confidence[]): Confidence {
  return confidences[Math.max(...words.map((word) => confidences.indexOf(word)))]!;
}
