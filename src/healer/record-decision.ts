import type { Decision } from '../core/decision.ts';
import { recordFor } from './audit-record-for.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { gateFields } from './policy/gates.ts';
import { sayOnce } from './say-once.ts';

type StandDown = Extract<Decision, { kind: 'stand_down' }>;

/** Records why nothing is done, with every gate; the same words are not recorded twice in a row. Returns whether they were new. */
export async function recordDecision(decision: StandDown, { open, ward, healer }: { open: OpenCase; ward: Ward; healer: Healer }): Promise<boolean> {
  const refusing = decision.gates.filter((gate) => gate.verdict === 'refuse').map((gate) => gate.gate);
  const said = [decision.why, decision.rule, decision.step?.action, open.diagnosis?.best.cause, ...refusing].join('|');
  if (!sayOnce(open, said, healer)) return false;
  const best = open.diagnosis?.best;
  await healer.audit.append({
    ...recordFor(open, ward),
    event: decision.why === 'observe' ? 'action.would_run' : 'action.refused',
    ...(best ? { cause: best.cause, confidence: best.confidence } : {}),
    ...(decision.rule === undefined ? {} : { rule: decision.rule }),
    ...(decision.step ? { action: decision.step.action, rung: decision.step.rung, attempt: decision.step.attempt } : {}),
    ...(decision.gates.length > 0 ? { gates: gateFields(decision.gates) } : {}),
    text: decision.reason,
  });
  healer.log.info({ service: ward.name, why: decision.why, rule: decision.rule }, decision.reason);
  return true;
}
