/**
 * Questions to people before a step. A question is asked once, lives with its incident on the disk, and is bound to the
 * step, the run of the service and the policy: when any of these changes it is void. Nothing waits for the answer but
 * the step itself: looks go on, and the incident may end by itself.
 */
import { randomInt } from 'node:crypto';
import type { Decision } from '../core/decision.ts';
import { formatDuration, isoOf } from '../core/time.ts';
import { recordFor } from './audit-record-for.ts';
import type { Healer, NextRound, OpenCase, Ward } from './healer.ts';
import { inTurn } from './in-turn.ts';
import { incidentLines } from './incident-lines.ts';
import type { ServiceState } from './leaves.ts';
import { approvalNeeded, lacksOnlyApproval, termsFor, type ApprovalBound, type ApprovalTerms } from './policy/approvals.ts';
import type { Approval } from './policy/limits.ts';
import { isBoundStill, isLive, mayStillAllow, questionsOf, questionsOfService, writeQuestion } from './questions.ts';
import { gateFields } from './policy/gates.ts';
import { tell } from './tell.ts';

interface Place {
  readonly open: OpenCase;
  readonly ward: Ward;
  readonly healer: Healer;
}

/** In an incident: whom three answers do not help, a fourth question would only annoy. */
const mostQuestions = 3;
const lookAgainMs = 1000;
/** An answer came just after the decision was made. */
const soonMs = 50;
const askAgainAfterFailureMs = 60_000;

/** Before a decision: ends the questions that are about another run of the service by now, or have waited too long. */
export function endOldQuestions(now: ServiceState, place: Place): Promise<void> {
  const { open, ward, healer } = place;
  return inTurn(healer, questionsOfService(ward), async () => {
    for (const question of questionsOf(open.incident.id, healer).filter(mayStillAllow)) {
      if (!isBoundStill(question, now, ward)) await endAsVoid(question, `${ward.name} is not the run any more that it was asked about: somebody else acted, or it ended`, place);
      else if (question.verdict === 'asked' && healer.clock.monotonicMs() >= question.untilMs) await expire(question, place);
    }
  });
}

/**
 * Where nothing but an approval stands in the way: asks for it, or goes on waiting. `undefined`: no question keeps this
 * round from standing down in its usual way.
 */
export function askOrWait(decision: Decision, place: Place): Promise<NextRound | undefined> {
  const { open, ward, healer } = place;
  if (!lacksOnlyApproval(decision)) return Promise.resolve(undefined);
  return inTurn(healer, questionsOfService(ward), async () => {
    const serviceState = await ward.serviceType.state(ward.target(), healer.run, healer.stopping);
    const all = questionsOf(open.incident.id, healer);
    const live = all.filter(isLive);
    const now = { wallMs: healer.clock.wallMs(), monotonicMs: healer.clock.monotonicMs() };
    const input = { policy: ward.policy, policySha256: ward.sha256, actions: healer.actionTable, serviceState, approvals: live, now };
    const needed = approvalNeeded(decision, input);
    const waiting = live.find(({ verdict, rule, rung }) => verdict === 'asked' && rule === decision.rule && rung === decision.step?.rung);
    // a look that failed shows no run at all; the next one tells whether the question is still about this one
    const isWaiting = waiting !== undefined && (!needed || serviceState.state === 'unknown');
    if (isWaiting) return wait(waiting, place);
    if (!needed) return { kind: 'again', inMs: soonMs };
    return all.length < mostQuestions ? ask(needed, decision, place) : askNoMore(decision, place);
  });
}

/** The incident ends: its questions are void, and whoever was asked is told so. */
export function voidQuestions(why: string, place: Place): Promise<void> {
  return inTurn(place.healer, questionsOfService(place.ward), async () => {
    for (const question of questionsOf(place.open.incident.id, place.healer).filter(mayStillAllow)) await endAsVoid(question, why, place);
  });
}

async function wait(question: Approval, place: Place): Promise<NextRound> {
  await tellOnce(question, place);
  return { kind: 'again', inMs: Math.max(10, Math.min(lookAgainMs, question.untilMs - place.healer.clock.monotonicMs())) };
}

async function ask({ terms, bound }: { readonly terms: ApprovalTerms; readonly bound: ApprovalBound }, decision: Decision, place: Place): Promise<NextRound> {
  const { open, ward, healer } = place;
  const now = healer.clock.monotonicMs();
  const failedAtMs = open.said.get(cannotAsk);
  if (failedAtMs !== undefined && now - failedAtMs < askAgainAfterFailureMs) return { kind: 'again', inMs: lookAgainMs };
  const question: Approval = { ...bound, code: newCode(healer), askedAtMs: now, untilMs: now + terms.withinMs, verdict: 'asked' };
  const best = open.diagnosis?.best;
  const asked = await healer.audit.append({
    ...recordFor(open, ward),
    event: 'approval.asked',
    ...(best ? { cause: best.cause, confidence: best.confidence } : {}),
    rule: bound.rule,
    action: bound.action,
    rung: bound.rung,
    ...(decision.step ? { attempt: decision.step.attempt } : {}),
    gates: gateFields(decision.gates),
    approval: { code: question.code, from: terms.from, until: isoOf(question.untilMs, healer.clock), otherwise: terms.otherwise, fence: bound.fence },
    text: wordsOf(question, place),
  });
  if (asked.kind !== 'appended') return cannotBeAsked(question, asked.detail, place);
  const saved = await healer.state.updateIncident(open.incident.id, (known) => ({ ...known, approvals: [...known.approvals, question] }));
  if (saved.kind !== 'saved') return cannotBeAsked(question, saved.detail, place);
  return wait(question, place);
}

const cannotAsk = 'a question could not be kept';

/** A question that is not on the disk and in the log cannot be answered: nobody is asked, and it is tried again later. */
async function cannotBeAsked({ code, action }: Approval, detail: string, { open, ward, healer }: Place): Promise<NextRound> {
  await healer.state.updateIncident(open.incident.id, (known) => ({ ...known, approvals: known.approvals.filter((one) => one.code !== code) }));
  open.said.set(cannotAsk, healer.clock.monotonicMs());
  open.told = true;
  await tell(`${ward.name}: nobody can be asked to approve ${action}, because the question could not be kept: ${detail}`, { ward, healer, open, event: 'incident.page' });
  return { kind: 'again', inMs: lookAgainMs };
}

const lastTold = new WeakMap<OpenCase, string>();

/** Once, and once more after a restart of the healer, which may have ended before it could tell. */
async function tellOnce(question: Approval, { open, ward, healer }: Place): Promise<void> {
  if (lastTold.get(open) === question.code) return;
  lastTold.set(open, question.code);
  open.told = true;
  await tell(messageOf(question, { open, ward, healer }), { ward, healer, open, event: 'approval.asked' }, askedOn(question, ward)?.from);
}

function wordsOf(question: Approval, { open, ward, healer }: Place): string {
  const { code, untilMs, action, rule } = question;
  const leftMs = Math.max(0, untilMs - healer.clock.monotonicMs());
  const otherwise = askedOn(question, ward)?.otherwise === 'do' ? 'done' : 'skipped';
  return (
    `${ward.name}: may goodgateway ${action} it, by the rule "${rule}"? ${open.diagnosis?.best.sentence ?? open.incident.symptom.text} ` +
    `Answer within ${formatDuration(leftMs)}: goodgateway approve ${code} (or: goodgateway deny ${code}). Without an answer the step is ${otherwise}.`
  );
}

/** The question for a phone: the command to answer with has a line of its own. */
function messageOf(question: Approval, { open, ward, healer }: Place): string {
  const { code, untilMs, action, rule } = question;
  const leftMs = Math.max(0, untilMs - healer.clock.monotonicMs());
  const otherwise = askedOn(question, ward)?.otherwise === 'do' ? 'done' : 'skipped';
  const lines = incidentLines(
    { open, ward, healer },
    {
      headline: `may goodgateway ${action} it?`,
      kind: 'asks',
      now: `the rule "${rule}" waits ${formatDuration(leftMs)} for an answer; without one the step is ${otherwise}.`,
      please: `goodgateway approve ${code} (or: goodgateway deny ${code})`,
    },
  );
  return lines.join('\n');
}

/** The usual way of a refusal goes on: it is recorded as one. Somebody is told once. */
async function askNoMore(decision: Decision, { open, ward, healer }: Place): Promise<undefined> {
  const said = 'nothing more is asked';
  if (lastTold.get(open) === said) return undefined;
  lastTold.set(open, said);
  open.told = true;
  await tell(
    `${ward.name}: ${decision.step?.action ?? 'the step'} waits for a person. ${mostQuestions} questions were asked in this incident already, so goodgateway asks no more. ${open.diagnosis?.best.sentence ?? ''} ` +
      `To act: goodgateway do ${ward.name} ACTION --reason …`,
    { ward, healer, open, event: 'incident.page' },
  );
  return undefined;
}

/** Too late: without its record nothing is done by silence, so it stays a question until it can be recorded. */
async function expire(question: Approval, { open, ward, healer }: Place): Promise<void> {
  const { action, code, askedAtMs, untilMs, fence, rule, rung } = question;
  const otherwise = askedOn(question, ward)?.otherwise ?? 'skip';
  const recorded = await healer.audit.append({
    ...recordFor(open, ward),
    event: 'approval.expired',
    rule,
    rung,
    action,
    approval: { code, otherwise, fence },
    text: `nobody answered within ${formatDuration(untilMs - askedAtMs)}: ${action} is ${otherwise === 'do' ? 'done, as the policy says' : 'skipped'}`,
  });
  if (recorded.kind === 'appended') await writeQuestion(open.incident.id, { from: question, to: { ...question, verdict: 'expired' } }, healer);
}

/** Void in any case, recorded or not: it only forbids. */
async function endAsVoid(question: Approval, why: string, { open, ward, healer }: Place): Promise<void> {
  const { code, action, verdict, fence, rule, rung } = question;
  const text = `the question ${code}, whether to ${action} ${ward.name}, is void: ${why}`;
  await healer.audit.append({ ...recordFor(open, ward), event: 'approval.expired', rule, rung, action, approval: { code, fence }, text });
  await writeQuestion(open.incident.id, { from: question, to: { ...question, over: 'void' } }, healer);
  if (verdict === 'asked') await tell(`${ward.name}: ${text}`, { ward, healer, open, event: 'approval.expired' }, askedOn(question, ward)?.from);
}

/** The terms of a question that was asked; `undefined` when the policy has changed since. */
function askedOn({ rule: name, rung }: Approval, { policy }: Ward): ApprovalTerms | undefined {
  const rule = policy.rules.find((one) => one.name === name);
  return rule && termsFor(policy, rule, { rung }, true);
}

/** Without characters that are taken for one another. */
const alphabet = '23456789ABCDEFGHJKMNPQRSTVWXYZ';

function newCode(healer: Healer): string {
  const taken = new Set(healer.state.state().incidents.flatMap(({ approvals }) => approvals.map(({ code }) => code)));
  for (;;) {
    const code = Array.from({ length: 6 }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
    if (!taken.has(code)) return code;
  }
}
