/** What one request carries along its way: its body, kept for one more attempt, and the note of what happened to it. */
import type { Admission } from './gate-state.ts';
import type { Gateway } from './gateway.ts';
import type { Answer, GatewayRequest } from './gateway-request.ts';
import { holdTimeMs } from './hold-time.ts';
import { KeptBody } from './kept-body.ts';
import { mayBeExecutedTwice, type Repetition, type ResendAnswer } from './may-resend.ts';
import { logRequest, type RequestNote, type RequestOutcome } from './request-log.ts';

/**
 * An unsent request whose gate is still open (the backend said "overloaded"), or which the gate let go in vain (a connect
 * works, a TLS handshake does not), tries again after so long.
 */
const resendPauseMs = 50;

/**
 * Whatever cut the first attempt may still be cutting (a `kill` of twenty processes is twenty kills), and there is
 * only one replay: it waits so long, and behind a closed gate if the backend is gone by then.
 */
const replayPauseMs = 100;

/**
 * What is kept of a body that must not be executed twice: for a backend that says itself that it did not take the
 * request. Forms are shorter; an upload is not worth the memory.
 */
const keptUnsafeBytes = 64 * 1024;

export interface Journey {
  readonly request: GatewayRequest;
  readonly gateway: Gateway;
  readonly body: KeptBody;
  readonly note: RequestNote;
  readonly repetition: Repetition;
  /** The longest time that it may wait, all visits to the gate together. */
  readonly holdMs: number;
  /** The backend's answer to the attempt before, where it is asked once more. */
  aside: Answer | undefined;
  waitAtGate(): Promise<Admission>;
  /** Before the next attempt; replays are counted here. */
  pause(verdict: Extract<ResendAnswer, { resend: true }>): Promise<void>;
  /** Ends the journey with the answer that was set aside, where there is one. */
  lastWord(): Answer | undefined;
  /** Counts and writes the note; call it exactly once. */
  end(outcome: RequestOutcome): undefined;
}

/** Begins the journey of a request that has just arrived. */
export function openJourney(request: GatewayRequest, gateway: Gateway): Journey {
  const { clock, gate } = gateway;
  const note: RequestNote = { id: request.id, gateway: gateway.name, method: request.method, beganMs: clock.monotonicMs(), heldMs: 0, attempts: 0, replays: 0, raced: false };
  const repetition = mayBeExecutedTwice({ method: request.method, target: request.target, hasIdempotencyKey: () => request.header('idempotency-key') !== undefined, rules: gateway.config.replay });
  const body = new KeptBody(request.body, gateway.keptBytes, repetition.safe ? gateway.config.hold.memory : keptUnsafeBytes);
  let holdMs: number | undefined;
  const journey: Journey = {
    request,
    gateway,
    note,
    body,
    repetition,
    // asked only by who has to wait: most requests never do
    get holdMs() {
      return (holdMs ??= holdTimeMs(request, gateway));
    },
    aside: undefined,
    async waitAtGate() {
      const came = clock.monotonicMs();
      let waits = false;
      const patience = (): number => {
        waits = true; // only who has to wait is asked for it
        return journey.holdMs - note.heldMs;
      };
      const atGate = (): Promise<Admission> => gateway.quarantine.admit(request, () => gate.admit(request, patience, note.replays > 0));
      // what has been sent once has been let in
      const admission = note.attempts > 0 ? await atGate() : await gateway.shedding.admit(request, atGate);
      const waitedMs = waits ? clock.monotonicMs() - came : 0;
      note.heldMs += waitedMs;
      const incident = incidentAt(gateway, waitedMs);
      if (incident !== undefined) note.incident = incident;
      if (admission.outcome === 'quarantined') note.quarantined = admission;
      if (admission.outcome === 'shed') note.shed = admission;
      return admission;
    },
    async pause({ as, afterMs }) {
      if (as === 'replay') note.replays += 1;
      if (as === 'race') note.raced = true;
      if (as === 'race' || (as === 'unsent' && note.attempts === 1 && gate.state.kind !== 'open')) return;
      const pauseMs = afterMs ?? (as === 'replay' ? replayPauseMs : resendPauseMs);
      if (afterMs !== undefined) gateway.putOff.count += 1;
      await clock.sleep(pauseMs, request.clientGone);
      if (afterMs !== undefined) gateway.putOff.count -= 1;
      note.heldMs += pauseMs;
    },
    lastWord() {
      if (!journey.aside) return undefined;
      note.sentStatus = journey.aside.head.status;
      journey.end('answered');
      return journey.aside;
    },
    end(outcome) {
      note.outcome = outcome;
      body.forget();
      const nowMs = clock.monotonicMs();
      gateway.counts.count(note, nowMs);
      logRequest(gateway.log, journey, nowMs);
    },
  };
  return journey;
}

/** What the gate is closed for, or was until it opened in these last milliseconds. */
function incidentAt({ gate, clock }: Gateway, sinceMs: number): string | undefined {
  if (gate.state.kind !== 'open') return gate.state.incident;
  const { lastRecovery: last } = gate;
  return last && clock.wallMs() - last.atMs < sinceMs ? last.incident : undefined;
}
