/** When a person is asked, on what terms, and what the answers allow. Pure; asking is somebody else's work. */
import type { PolicyConfig, RuleConfig } from '../../config/policy-schema.ts';
import type { ActionName, Decision, Step } from '../../core/decision.ts';
import { limitsOf, pass, refuse, touches, type GateInput, type Verdict } from './gates.ts';
import type { Approval, Now } from './limits.ts';

/** Who is asked, how long an answer is waited for, and what silence means. */
export interface ApprovalTerms {
  readonly from: readonly string[];
  readonly withinMs: number;
  readonly otherwise: 'skip' | 'do';
}

/** What a question is about. */
export interface ApprovalBound {
  readonly rule: string;
  readonly rung: number;
  readonly action: ActionName;
  readonly fence: string;
  readonly policy: string;
}

/** In mode `approve` for a step whose rung says nothing of its own: as the schema's defaults. */
const unsaid = { withinMs: 15 * 60_000, otherwise: 'skip' } as const;

/** The terms on which the step is done; `undefined` when nobody has to agree. `touches`: it does something to the service. */
export function termsFor(policy: PolicyConfig, rule: RuleConfig, step: Pick<Step, 'rung'>, touches: boolean): ApprovalTerms | undefined {
  const own = rule.try[step.rung]?.approval;
  if (own) return { from: own.from ?? policy.notify.to, withinMs: own.within, otherwise: own.otherwise };
  return policy.mode === 'approve' && touches ? { from: policy.notify.to, ...unsaid } : undefined;
}

/** The newest approval that is about exactly this. */
export function approvalOf(approvals: readonly Approval[], bound: ApprovalBound): Approval | undefined {
  return approvals.findLast((approval) => isAbout(approval, bound) && approval.fence === bound.fence && approval.policy === bound.policy);
}

/** The question that must be asked now: approval is the only thing that the step lacks, and nobody was asked. `undefined`: ask nobody. */
export function approvalNeeded(
  decision: Decision,
  input: Pick<GateInput, 'policy' | 'policySha256' | 'actions' | 'serviceState' | 'approvals' | 'now'>,
): { readonly terms: ApprovalTerms; readonly bound: ApprovalBound } | undefined {
  const { step } = decision;
  if (decision.kind !== 'stand_down' || decision.why !== 'refused' || !step) return undefined;
  const rule = input.policy.rules.find(({ name }) => name === decision.rule);
  const refusing = decision.gates.filter(({ verdict }) => verdict === 'refuse').map(({ gate }) => gate);
  if (!rule || refusing.length !== 1 || refusing[0] !== 'approval') return undefined;
  const terms = termsFor(input.policy, rule, step, touches(limitsOf(input.actions, step.action)));
  const bound = { rule: rule.name, rung: step.rung, action: step.action, fence: input.serviceState.fence, policy: input.policySha256 };
  return terms && !approvalOf(input.approvals, bound) ? { terms, bound } : undefined;
}

/** Has this rung of the incident been refused by a person, or by a silence that counts as a no? Then it is used up. */
export function isRefused(
  approvals: readonly Approval[],
  rung: Pick<ApprovalBound, 'rule' | 'rung' | 'action'>,
  { otherwise, now }: { readonly otherwise: ApprovalTerms['otherwise']; readonly now: Now },
): boolean {
  const last = approvals.findLast((approval) => isAbout(approval, rung));
  return last !== undefined && (last.verdict === 'denied' || (otherwise === 'skip' && isSilent(last, now)));
}

/** Has everybody agreed who must? */
export function approvalGate(input: GateInput): Verdict {
  const { policy, rule, step, approvals, serviceState, policySha256 } = input;
  const terms = termsFor(policy, rule, step, touches(limitsOf(input.actions, step.action)));
  if (!terms) return pass('no approval is asked for');
  const found = approvalOf(approvals, { rule: rule.name, rung: step.rung, action: step.action, fence: serviceState.fence, policy: policySha256 });
  if (found?.verdict === 'given') return pass(`approved by ${found.by ?? 'somebody'}`);
  if (found?.verdict === 'expired' && terms.otherwise === 'do') return pass('nobody answered in time, and the policy says to act then');
  return refuse(`${step.action} needs the approval of ${terms.from.join(', ')}`);
}

/** The time is over, whether or not somebody has written that down already. */
function isSilent({ verdict, untilMs }: Approval, now: Now): boolean {
  return verdict === 'expired' || (verdict === 'asked' && now.monotonicMs >= untilMs);
}

function isAbout(approval: Approval, { rule, rung, action }: Pick<ApprovalBound, 'rule' | 'rung' | 'action'>): boolean {
  return approval.rule === rule && approval.rung === rung && approval.action === action;
}
