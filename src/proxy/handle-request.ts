/**
 * The way of one request: gate → attempt → answer, or back to the gate, or the fallback page.
 * HTTP and FastCGI share it; it knows neither.
 */
import { attempt, type Attempted } from './attempt.ts';
import { fallBack } from './fallback/fall-back.ts';
import type { Gateway } from './gateway.ts';
import type { Answer, GatewayRequest } from './gateway-request.ts';
import { holdTimeMs } from './hold-time.ts';
import { openJourney, type Journey } from './journey.ts';
import { mayResend, type ResendQuestion } from './may-resend.ts';

/** Answers one request, whatever the backend does; `undefined` when its client has gone. */
export async function handleRequest(request: GatewayRequest, gateway: Gateway): Promise<Answer | undefined> {
  const journey = openJourney(request, gateway);
  const holdMs = holdTimeMs(request, gateway);
  for (;;) {
    const admission = await journey.waitAtGate(holdMs);
    if (admission.outcome === 'client_gone') return journey.end('client_gone');
    if (admission.outcome !== 'proceed') return fallBack(journey, admission.outcome);
    const attempted = await attempt(journey, admission.slot);
    if (attempted.kind === 'client_gone') return journey.end('client_gone');
    if (attempted.kind === 'answer') return attempted.answer;
    const verdict = mayResend(questionOf(journey, attempted, holdMs));
    journey.note.resend = verdict.why;
    if (!verdict.resend) return fallBack(journey, 'failed');
    await journey.pause(verdict.replay);
  }
}

function questionOf({ request, gateway, body, note }: Journey, { failure }: Extract<Attempted, { kind: 'failed' }>, holdMs: number): ResendQuestion {
  return {
    method: request.method,
    target: request.target,
    hasIdempotencyKey: request.header('idempotency-key') !== undefined,
    failure,
    replays: note.replays,
    bodyComplete: body.canOpenAgain,
    tooLate: note.heldMs >= holdMs,
    rules: gateway.config.replay,
  };
}
