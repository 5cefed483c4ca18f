/** One attempt at the backend, with everything that is to be counted about it. It decides nothing. */
import type { FailureKind, UpstreamFailure } from '../core/failure.ts';
import { UpstreamFailureError, type UpstreamResponse } from '../upstream/exchange.ts';
import type { Slot } from './gate-state.ts';
import type { Answer } from './gateway-request.ts';
import type { Journey } from './journey.ts';
import { isIdempotent, passesWithTime } from './may-resend.ts';

export type Attempted = { readonly kind: 'answer'; readonly answer: Answer } | { readonly kind: 'failed'; readonly failure: UpstreamFailure } | { readonly kind: 'client_gone' };

/** Sends the request to the slot's backend; gives the slot back when the backend is done with it. */
export async function attempt(journey: Journey, slot: Slot): Promise<Attempted> {
  const { request, gateway, note, body } = journey;
  const { health, config } = gateway;
  note.attempts += 1;
  health.began();
  const sent = { method: request.method, target: request.target, wire: request.wire, body, clientGone: request.clientGone };
  const options = {
    connectTimeoutMs: config.timeouts.connect,
    responseTimeoutMs: config.timeouts.response,
    idleTimeoutMs: config.timeouts.idle,
    interim: request.interim,
    connections: gateway.connections,
    fresh: !isIdempotent(request.method),
  };
  const result = await gateway.protocol.attempt(sent, slot.target, options);
  if (result.kind === 'response') return { kind: 'answer', answer: passOn(journey, slot, result) };
  if (result.kind === 'client_gone') health.clientGone();
  else {
    note.failure = result.failure;
    health.failed(result.failure, slot.upstream, request.id);
    slot.failed(closesGate(result.failure));
  }
  slot.release();
  return result.kind === 'failure' ? { kind: 'failed', failure: result.failure } : result;
}

/** The backend's own answer is passed untouched; its end, clean or cut, is counted when it comes. */
function passOn(journey: Journey, slot: Slot, response: UpstreamResponse): Answer {
  const { health } = journey.gateway;
  journey.body.forget();
  health.answered(response.head.status);
  slot.answered();
  if (response.whole) {
    slot.release();
    journey.end('answered');
    return { from: 'upstream', head: response.head, body: response.body, whole: response.whole };
  }
  const stream = response.tunnel ?? response.body;
  stream.once('error', (error: Error) => {
    if (!(error instanceof UpstreamFailureError)) return;
    journey.note.failure = error.failure;
    health.cut(error.failure, slot.upstream, journey.request.id);
  });
  stream.once('close', () => {
    slot.release();
    journey.end(journey.note.failure && stream.errored ? 'cut' : 'answered');
  });
  return { from: 'upstream', head: response.head, body: response.body, ...(response.tunnel ? { tunnel: response.tunnel } : {}) };
}

/** Failures after which nobody else needs to try before a connect works again. */
function closesGate(failure: UpstreamFailure): FailureKind | undefined {
  return failure.phase === 'connect' && failure.source === 'upstream' && passesWithTime(failure) ? failure.kind : undefined;
}
