/** One attempt at the backend, with everything that is to be counted about it. It decides nothing. */
import type { FailureKind, UpstreamFailure } from '../core/failure.ts';
import { UpstreamFailureError, type UpstreamResponse } from '../upstream/exchange.ts';
import { askAgain } from './ask-again.ts';
import type { Slot } from './gate-state.ts';
import type { Answer } from './gateway-request.ts';
import type { Journey } from './journey.ts';
import { passesWithTime, type ResendAnswer } from './may-resend.ts';
import { setAside } from './set-aside.ts';

export type Attempted =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'failed'; readonly failure: UpstreamFailure }
  /** The backend answered with a status after which it is asked again; the answer is the journey's `aside`. */
  | { readonly kind: 'put_off'; readonly verdict: ResendAnswer }
  | { readonly kind: 'client_gone' };

/** Sends the request to the slot's backend; gives the slot back when the backend is done with it. */
export async function attempt(journey: Journey, slot: Slot): Promise<Attempted> {
  const { request, gateway, note, body } = journey;
  const { health, config, connections } = gateway;
  note.attempts += 1;
  note.upstream = slot.target;
  health.began();
  const sent = { method: request.method, target: request.target, wire: request.wire, body, clientGone: request.clientGone };
  const options = {
    connectTimeoutMs: config.timeouts.connect,
    responseTimeoutMs: config.timeouts.response,
    idleTimeoutMs: config.timeouts.idle,
    interim: request.interim,
    tls: gateway.tls,
    connections,
    // what must not be sent twice must not meet the end of a kept connection; nor need a second try
    fresh: !journey.repetition.safe || note.attempts > 1,
  };
  const beganMs = gateway.clock.monotonicMs();
  const result = await gateway.protocol.attempt(sent, slot.target, options);
  if (result.kind === 'response') return answered(journey, slot, result);
  if (result.kind === 'client_gone') health.withdrawn();
  else {
    // it waited for a connection instead of at the gate, and all its waiting together has an end
    if (result.failure.resend === 'always') note.heldMs += gateway.clock.monotonicMs() - beganMs;
    countFailure(journey, slot, result.failure);
  }
  slot.release();
  return result.kind === 'failure' ? { kind: 'failed', failure: result.failure } : result;
}

/** The end of a kept connection is no failure of the backend: only what comes of the next, new one is. */
function countFailure({ gateway, note, request }: Journey, slot: Slot, failure: UpstreamFailure): void {
  note.failure = failure;
  // sent where requests went before a reload: it says nothing about where they go now
  if (!gateway.gate.isUpstream(slot)) return gateway.health.withdrawn();
  gateway.quarantine.attemptFailed(request, failure, slot.upstream);
  if (failure.staleConnection) return gateway.health.withdrawn();
  gateway.health.failed(failure, slot.upstream, request.id);
  slot.failed(closesGate(failure));
}

async function answered(journey: Journey, slot: Slot, response: UpstreamResponse): Promise<Attempted> {
  const { health } = journey.gateway;
  journey.note.status = response.head.status;
  health.answered(response.head.status);
  slot.answered();
  const verdict = response.tunnel ? undefined : askAgain(journey, response.head);
  if (verdict === undefined) return { kind: 'answer', answer: passOn(journey, slot, response) };
  const aside = await setAside(response.body);
  if (aside.kind === 'too_long') return { kind: 'answer', answer: passOn(journey, slot, { ...response, body: aside.body }) };
  slot.release();
  if (aside.kind === 'gone') return { kind: 'client_gone' };
  if (aside.kind === 'whole') {
    journey.aside = { from: 'upstream', head: response.head, body: aside.body };
    return { kind: 'put_off', verdict };
  }
  // nobody has seen a byte of it, so it may be asked again as if there had been none
  const failure: UpstreamFailure = { ...aside.failure, resend: 'if_idempotent' };
  countCut(journey, slot, failure);
  return { kind: 'failed', failure };
}

/** The answer broke off after its head. */
function countCut({ gateway, note, request }: Journey, slot: Slot, failure: UpstreamFailure): void {
  note.failure = failure;
  if (!gateway.gate.isUpstream(slot)) return;
  gateway.quarantine.attemptFailed(request, failure, slot.upstream);
  gateway.health.cut(failure, slot.upstream, request.id);
}

/** The backend's own answer is passed untouched; its end, clean or cut, is counted when it comes. */
function passOn(journey: Journey, slot: Slot, response: UpstreamResponse): Answer {
  journey.body.forget();
  journey.note.sentStatus = response.head.status;
  if (response.whole) {
    slot.release();
    journey.gateway.quarantine.answered(journey.request);
    journey.end('answered');
    return { from: 'upstream', head: response.head, body: response.body, whole: response.whole };
  }
  const stream = response.tunnel ?? response.body;
  stream.once('error', (error: Error) => {
    if (error instanceof UpstreamFailureError) countCut(journey, slot, error.failure);
  });
  stream.once('close', () => {
    slot.release();
    if (stream.readableEnded) journey.gateway.quarantine.answered(journey.request);
    journey.end(journey.note.failure && stream.errored ? 'cut' : 'answered');
  });
  return { from: 'upstream', head: response.head, body: response.body, ...(response.tunnel ? { tunnel: response.tunnel } : {}) };
}

/** Failures after which nobody else needs to try before a connect works again. */
function closesGate(failure: UpstreamFailure): FailureKind | undefined {
  return failure.phase === 'connect' && failure.source === 'upstream' && passesWithTime(failure) ? failure.kind : undefined;
}
