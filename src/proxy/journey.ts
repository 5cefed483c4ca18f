/** What one request carries along its way: its body, kept for one more attempt, and the note of what happened to it. */
import type { Admission } from './gate-state.ts';
import type { Gateway } from './gateway.ts';
import type { GatewayRequest } from './gateway-request.ts';
import { keepNothing, KeptBody } from './kept-body.ts';
import { mayBeReplayed } from './may-resend.ts';
import { logRequest, type RequestNote } from './request-log.ts';

/** An unsent request whose gate is still open (the backend said "overloaded") tries again after so long. */
const resendPauseMs = 50;

/**
 * Whatever cut the first attempt may still be cutting (a `kill` of twenty processes is twenty kills), and there is
 * only one replay: it waits so long, and behind a closed gate if the backend is gone by then.
 */
const replayPauseMs = 100;

export interface Journey {
  readonly request: GatewayRequest;
  readonly gateway: Gateway;
  readonly body: KeptBody;
  readonly note: RequestNote;
  /** `holdMs`: the longest time at the gate, all visits together. */
  waitAtGate(holdMs: number): Promise<Admission>;
  /** Before the next attempt; a replay is counted here. */
  pause(replay: boolean): Promise<void>;
  /** Writes the note; call it exactly once. */
  end(outcome: string): undefined;
}

/** Begins the journey of a request that has just arrived. */
export function openJourney(request: GatewayRequest, gateway: Gateway): Journey {
  const { clock, gate } = gateway;
  const note: RequestNote = { id: request.id, gateway: gateway.name, method: request.method, beganMs: clock.monotonicMs(), heldMs: 0, attempts: 0, replays: 0 };
  const body = new KeptBody(request.body, mayBeReplayed(request.method, gateway.config.replay) ? gateway.keptBytes : keepNothing);
  return {
    request,
    gateway,
    note,
    body,
    async waitAtGate(holdMs) {
      const came = clock.monotonicMs();
      const admission = await gateway.quarantine.admit(request, () => gate.admit(request, holdMs - note.heldMs));
      note.heldMs += clock.monotonicMs() - came;
      if (admission.outcome === 'quarantined') note.quarantined = admission;
      return admission;
    },
    async pause(replay) {
      if (replay) note.replays += 1;
      else if (gate.state.kind !== 'open') return;
      const pauseMs = replay ? replayPauseMs : resendPauseMs;
      await clock.sleep(pauseMs, request.clientGone);
      note.heldMs += pauseMs;
    },
    end(outcome) {
      note.outcome = outcome;
      body.forget();
      logRequest(gateway.log, note, clock.monotonicMs());
    },
  };
}
