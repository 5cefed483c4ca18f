/**
 * The way of one request: gate → attempt → answer, or back to the gate, or the fallback page.
 * HTTP and FastCGI share it; it knows neither.
 */
import type { UpstreamFailure } from '../core/failure.ts';
import { attempt } from './attempt.ts';
import { fallBack } from './fallback/fall-back.ts';
import type { Gateway } from './gateway.ts';
import type { Answer, GatewayRequest } from './gateway-request.ts';
import { openJourney, type Journey } from './journey.ts';
import { mayResend, type ResendAnswer } from './may-resend.ts';

/** Answers one request, whatever the backend does; `undefined` when its client has gone. */
export async function handleRequest(request: GatewayRequest, gateway: Gateway): Promise<Answer | undefined> {
  const journey = openJourney(request, gateway);
  for (;;) {
    const admission = await journey.waitAtGate();
    if (admission.outcome === 'client_gone') return journey.end('client_gone');
    if (admission.outcome !== 'proceed') return journey.lastWord() ?? fallBack(journey, admission.outcome);
    const attempted = await attempt(journey, admission.slot);
    if (attempted.kind === 'client_gone') return journey.end('client_gone');
    if (attempted.kind === 'answer') return attempted.answer;
    const verdict = attempted.kind === 'put_off' ? attempted.verdict : judge(journey, attempted.failure);
    if (!verdict.resend) return journey.lastWord() ?? fallBack(journey, 'failed');
    await journey.pause(verdict);
  }
}

function judge({ gateway, body, note, repetition, holdMs }: Journey, failure: UpstreamFailure): ResendAnswer {
  const verdict = mayResend({
    repetition,
    failure,
    replays: note.replays,
    raced: note.raced,
    bodyComplete: body.canOpenAgain,
    tooLate: note.heldMs >= holdMs,
    afterTimeout: gateway.config.replay.after_timeout,
  });
  note.resend = verdict.why;
  return verdict;
}
