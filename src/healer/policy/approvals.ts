/**
 * Who must agree to a step, and what was said. A yes is for one rule, rung and action of one incident, for the run of the
 * service and the policy that it was asked about; when any of them changes it is void. A no, and a silence that counts as
 * one, is for the whole incident: the rung counts as used, and nobody is asked twice. Pure; asking is somebody else's work.
 */
import type { PolicyConfig, RuleConfig } from '../../config/policy-schema.ts';
import type { ActionName, Decision, Step } from '../../core/decision.ts';
import { limitsOf, pass, refuse, touches, wallOf, type GateInput, type Verdict } from './gates.ts';
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

/**
 * The question that must be asked now: approval is the only thing that the step lacks, and there is no answer, no open
 * question and no answer that is still good. `undefined`: ask nobody. Never in mode `observe`.
 */
export function approvalNeeded(
  decision: Decision,
  input: Pick<GateInput, 'policy' | 'policySha256' | 'actions' | 'serviceState' | 'approvals' | 'now'>,
): { readonly terms: ApprovalTerms; readonly bound: ApprovalBound } | undefined {
  const { step } = decision;
  if (decision.kind !== 'stand_down' || decision.why !== 'refused' || !step) return undefined;
  const rule = input.policy.rules.find(({ name }) => name === decision.rule);
  if (!rule || !lacksOnlyApproval(decision)) return undefined;
  const judged = judge({ ...input, rule, step });
  return judged && (judged.answer.kind === 'unasked' || judged.answer.kind === 'stale') ? { terms: judged.terms, bound: judged.bound } : undefined;
}

/** Does nothing but an approval stand in the way? */
export function lacksOnlyApproval({ gates }: Pick<Decision, 'gates'>): boolean {
  const refusing = gates.filter(({ verdict }) => verdict === 'refuse');
  return refusing.length === 1 && refusing[0]?.gate === 'approval';
}

/** Has this rung of the incident been refused by a person, or by a silence that counts as a no? Then it is used up. */
export function isRefused(
  approvals: readonly Approval[],
  rung: Pick<ApprovalBound, 'rule' | 'rung' | 'action'>,
  { otherwise, now }: { readonly otherwise: ApprovalTerms['otherwise']; readonly now: Now },
): boolean {
  const last = approvals.findLast((approval) => isAbout(approval, rung));
  if (!last) return false;
  return last.verdict === 'denied' || (otherwise === 'skip' && isSilent(last, now));
}

/** Has everybody agreed who must? */
export function approvalGate(input: GateInput): Verdict {
  const { step, now, policy } = input;
  const judged = judge(input);
  if (!judged) return pass('no approval is asked for');
  const { terms, answer } = judged;
  const people = terms.from.join(', ');
  if (policy.mode === 'observe') return pass(`${people} would be asked first`);
  switch (answer.kind) {
    case 'unasked':
      return refuse(`${step.action} needs a yes of ${people}, who is asked now`);
    case 'stale':
      return refuse(`the answer to ${answer.code} is older than it may be, so ${people} is asked again`);
    case 'asked': {
      const said = `${people} was asked (${answer.code}), waiting until ${iso(answer.untilMs, now)}`;
      return terms.otherwise === 'do' ? refuse(`${said}; without an answer it is done then`, wallOf(answer.untilMs, now)) : refuse(`${said}; without an answer the next step follows`);
    }
    case 'given':
      return pass(`approved by ${answer.by} (${answer.code}), good until ${iso(answer.goodUntilMs, now)}`);
    case 'denied':
      return refuse(`denied by ${answer.by} (${answer.code})`);
    case 'silent':
      return terms.otherwise === 'do'
        ? pass(`nobody answered ${answer.code} until ${iso(answer.untilMs, now)}, which the policy takes for a yes`)
        : refuse(`nobody answered ${answer.code} until ${iso(answer.untilMs, now)}, which the policy takes for a no`);
  }
}

type Answer =
  | { readonly kind: 'unasked' }
  | { readonly kind: 'stale'; readonly code: string }
  | { readonly kind: 'asked' | 'silent'; readonly code: string; readonly untilMs: number }
  | { readonly kind: 'given'; readonly code: string; readonly by: string; readonly goodUntilMs: number }
  | { readonly kind: 'denied'; readonly code: string; readonly by: string };

type JudgeInput = Pick<GateInput, 'policy' | 'policySha256' | 'actions' | 'serviceState' | 'approvals' | 'now' | 'rule' | 'step'>;

function judge({ policy, policySha256, actions, serviceState, approvals, now, rule, step }: JudgeInput): { terms: ApprovalTerms; bound: ApprovalBound; answer: Answer } | undefined {
  const terms = termsFor(policy, rule, step, touches(limitsOf(actions, step)));
  if (!terms) return undefined;
  const bound = { rule: rule.name, rung: step.rung, action: step.action, fence: serviceState.fence, policy: policySha256 };
  return { terms, bound, answer: answerOf(approvalOf(approvals, bound), terms, now) };
}

function answerOf(approval: Approval | undefined, { withinMs, otherwise }: ApprovalTerms, now: Now): Answer {
  if (!approval) return { kind: 'unasked' };
  const { code, untilMs, verdict, by = 'somebody' } = approval;
  if (verdict === 'denied') return { kind: 'denied', code, by };
  // A yes, or a silence that is one, was said about the trouble of then: after as long again as was waited for it, it is asked anew.
  const goodUntilMs = untilMs + withinMs;
  const isStale = now.monotonicMs >= goodUntilMs;
  if (verdict === 'given') return isStale ? { kind: 'stale', code } : { kind: 'given', code, by, goodUntilMs };
  if (!isSilent(approval, now)) return { kind: 'asked', code, untilMs };
  return isStale && otherwise === 'do' ? { kind: 'stale', code } : { kind: 'silent', code, untilMs };
}

/** The time is over, whether or not somebody has written that down already. */
function isSilent({ verdict, untilMs }: Approval, now: Now): boolean {
  return verdict === 'expired' || (verdict === 'asked' && now.monotonicMs >= untilMs);
}

function isAbout(approval: Approval, { rule, rung, action }: Pick<ApprovalBound, 'rule' | 'rung' | 'action'>): boolean {
  return approval.rule === rule && approval.rung === rung && approval.action === action;
}

function iso(atMonotonicMs: number, now: Now): string {
  return new Date(wallOf(atMonotonicMs, now)).toISOString();
}
