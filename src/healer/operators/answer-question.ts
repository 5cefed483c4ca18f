/** `approve` and `deny`: the answer to a question that goodgateway asked before a step. */
import type { OperatorAnswer, OperatorRequest } from '../../channel/operator-messages.ts';
import { incidentCode } from '../../core/ids.ts';
import type { AuditEvent } from '../audit/record.ts';
import type { Healer, Ward } from '../healer.ts';
import { inTurn } from '../in-turn.ts';
import type { Approval } from '../policy/limits.ts';
import { isLive, isOfRun, questionsOf, questionsOfService, writeQuestion } from '../questions.ts';
import type { OpenIncident } from '../state-file.ts';
import { done, permit, refused, restrain } from './answers.ts';
import { heldBy } from './held-by.ts';
import type { OperatorPlace } from './place.ts';

type Answered = Extract<OperatorRequest, { ask: 'approve' | 'deny' }>;

/** Gives the answer that waits for it, and wakes the round. Any other code changes nothing and is told why. */
export async function answerQuestion(request: Answered, place: OperatorPlace): Promise<OperatorAnswer> {
  const { healer, wards } = place;
  const code = spelled(request.code);
  const incident = healer.state.state().incidents.find(({ approvals }) => approvals.some((one) => one.code === code));
  const ward = incident && wards.get(incident.service);
  if (!incident || !ward) return refused(`no open incident has a question ${JSON.stringify(code)}; a question ends with its incident. ${whatIsAsked(healer)}`);
  return inTurn(healer, questionsOfService(ward), () => answerInTurn(request, { code, incident, ward }, place));
}

/** As people read it out and type it: small letters, blanks and dashes do not matter. */
function spelled(code: string): string {
  return code.toUpperCase().replaceAll(/[^0-9A-Z]/g, '');
}

interface Found {
  readonly code: string;
  readonly incident: OpenIncident;
  readonly ward: Ward;
}

async function answerInTurn(request: Answered, { code, incident, ward }: Found, place: OperatorPlace): Promise<OperatorAnswer> {
  const { healer, incidents } = place;
  const question = questionsOf(incident.id, healer).find((one) => one.code === code);
  if (!question) return refused(`the question ${code} ended with its incident`);
  const why = await whyTooLate(question, ward, healer);
  if (why !== undefined) return refused(`${code}: ${why}. Nothing was changed.`);
  const answer = await (request.ask === 'approve' ? give : deny)({ question, by: request.by, incident, ward }, healer);
  incidents.wake(ward);
  return answer;
}

/** Why an answer would change nothing any more. */
async function whyTooLate(question: Approval, ward: Ward, healer: Healer): Promise<string | undefined> {
  const { action, verdict, over, by = 'somebody', untilMs } = question;
  const agoMs = healer.clock.monotonicMs() - untilMs;
  if (over === 'void') return `the question is void, because what it was asked about has changed`;
  if (verdict === 'given') return `${action} was approved already, by ${by}${over === 'used' ? ', and was begun' : ''}`;
  if (verdict === 'denied') return `${action} was denied already, by ${by}`;
  if (verdict === 'expired' || agoMs >= 0) return `nobody answered in time, and the time is over since ${new Date(healer.clock.wallMs() - Math.max(0, agoMs)).toISOString()}`;
  const now = await ward.serviceType.state(ward.target(), healer.run, AbortSignal.any([healer.stopping, AbortSignal.timeout(oneLookMs)]));
  // the incident goes on under the policy that it was asked under, and voids the question itself when that has gone
  return isOfRun(question, now) ? undefined : `the question is void: ${ward.name} is not the run any more that it was asked about (${now.text})`;
}

const oneLookMs = 3000;

interface Answering {
  readonly question: Approval;
  readonly by: string;
  readonly incident: OpenIncident;
  readonly ward: Ward;
}

async function give(answering: Answering, healer: Healer): Promise<OperatorAnswer> {
  const { question, by, incident, ward } = answering;
  const answer = await permit(
    {
      event: recordOf('approval.given', answering, `${by} approved ${question.action}`),
      change: () => writeQuestion(incident.id, { from: question, to: { ...question, verdict: 'given', by } }, healer),
      text: `Approved: ${question.action} of ${ward.name}, unless something else has changed by then. To follow it: goodgateway why ${incidentCode(incident.id)}.`,
      back: {
        event: recordOf('approval.expired', answering, `the approval of ${question.action} could not be kept: the question is open as before`),
        change: () => writeQuestion(incident.id, { from: { ...question, verdict: 'given' }, to: question }, healer),
      },
    },
    healer,
  );
  if (!answer.ok) return answer;
  // its time may have ended in the very moment of the answer, and silence may have been taken for a yes
  const isGiven = questionsOf(incident.id, healer).some(({ code, verdict, by: who }) => code === question.code && verdict === 'given' && who === by);
  return isGiven ? done(`${answer.text}${heldBy(ward, healer)}`) : refused(`${question.code}: the time for an answer ended at this moment`);
}

function deny(answering: Answering, healer: Healer): Promise<OperatorAnswer> {
  const { question, by, incident, ward } = answering;
  return restrain(
    {
      event: recordOf('approval.denied', answering, `${by} denied ${question.action}: the step is skipped`),
      change: () => writeQuestion(incident.id, { from: question, to: { ...question, verdict: 'denied', by } }, healer),
      text: `Denied: ${question.action} of ${ward.name} is skipped; what the rule says next goes on.`,
    },
    healer,
  );
}

function recordOf(event: 'approval.given' | 'approval.denied' | 'approval.expired', { question, by, incident, ward }: Answering, text: string): AuditEvent {
  const { code, fence, rule, rung, action } = question;
  return {
    event,
    actor: { by },
    incident: incident.id,
    service: ward.name,
    policy: { name: ward.policy.name, sha256: question.policy, mode: ward.policy.mode },
    rule,
    rung,
    action,
    approval: { code, fence },
    text,
  };
}

function whatIsAsked({ state, clock }: Healer): string {
  const waiting = state
    .state()
    .incidents.flatMap(({ service, approvals }) =>
      approvals.filter((one) => isLive(one) && one.verdict === 'asked' && one.untilMs > clock.monotonicMs()).map(({ code, action }) => `${code} (${action} of ${service})`),
    );
  return waiting.length === 0 ? 'Nothing is asked at the moment.' : `What is asked: ${waiting.join(', ')}.`;
}
