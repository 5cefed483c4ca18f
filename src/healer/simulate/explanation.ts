/** What the policy says of a cause right now: the rule, its whole ladder, and every gate's word about each step of it. */
import { z } from 'zod';
import { actionNames, gateNames } from '../../core/decision.ts';
import { causeNames, confidences } from '../../core/diagnosis.ts';
import { askGates } from '../policy/ask-gates.ts';
import { gateFields } from '../policy/gates.ts';
import { decide, upNext, type DecisionInput } from '../policy/decide.ts';

/** As it travels from the healer to the command line. */
export const explanationSchema = z.object({
  ok: z.literal(true),
  /** The answer in one sentence. */
  text: z.string(),
  service: z.string(),
  mode: z.enum(['observe', 'approve', 'act']),
  cause: z.enum(causeNames),
  confidence: z.enum(confidences),
  /** `healer`: with the real state, history and surroundings. `configuration`: with none of them. */
  from: z.enum(['healer', 'configuration']),
  state: z.string(),
  /** The incident that is open, whose ladder is gone on with. */
  incident: z.string().nullable(),
  rule: z.string().nullable(),
  steps: z.array(
    z.object({
      action: z.enum(actionNames),
      attempts: z.number(),
      timeout_ms: z.number(),
      first: z.array(z.string()),
      approval: z.boolean(),
      /** It is this one's turn. */
      next: z.boolean(),
      gates: z.array(z.object({ gate: z.enum(gateNames), verdict: z.enum(['pass', 'refuse', 'not_evaluated']), reason: z.string(), allowed_at: z.string().optional() })),
    }),
  ),
});
export type Explanation = z.output<typeof explanationSchema>;

/** Pure; decides nothing that anybody acts on. */
export function explain(input: DecisionInput, from: Explanation['from'], incident: string | null): Explanation {
  const { policy, diagnosis } = input;
  const { cause, confidence } = diagnosis.best;
  const decision = decide(input);
  const next = upNext(input);
  const rule = next.kind === 'no_rule' ? undefined : next.rule;
  const steps = (rule?.try ?? []).map((rung, i): Explanation['steps'][number] => {
    const step = { action: rung.do, options: rung.with ?? {}, timeoutMs: rung.timeout, attempt: 1, rung: i };
    const isOver = decision.kind === 'stand_down' && decision.why === 'exhausted';
    const isNext = !isOver && decision.step?.rung === i;
    const gates = rule ? askGates({ ...input, rule, step: isNext && decision.step ? decision.step : step }) : [];
    return {
      action: rung.do,
      attempts: rung.attempts,
      timeout_ms: rung.timeout,
      first: rung.first,
      approval: rung.approval !== undefined || policy.mode === 'approve',
      next: isNext,
      gates: gateFields(gates),
    };
  });
  const text = decision.kind === 'recover' ? `${decision.step.action} would be done now, by the rule "${decision.rule}"` : decision.reason;
  return { ok: true, text, service: policy.name, mode: policy.mode, cause, confidence, from, state: input.serviceState.text, incident, rule: rule?.name ?? null, steps };
}
