/** One line for each request to which something happened: held, sent again, failed, answered by us. Written once, at its end. */
import type { UpstreamFailure } from '../core/failure.ts';
import { incidentCode } from '../core/ids.ts';

export interface RequestNote {
  readonly id: string;
  readonly gateway: string;
  readonly method: string;
  readonly beganMs: number;
  heldMs: number;
  attempts: number;
  /** How often a request that may have been executed was sent again: at most once. */
  replays: number;
  /** A kept connection ended as it was used, and a new one was tried at once. */
  raced: boolean;
  /** Of the backend's last answer. */
  status?: number;
  /** Why it was, or was not, sent again; the last word counts. */
  resend?: string;
  failure?: UpstreamFailure;
  /** Why it was not sent at all, and for how long nobody sends it. */
  quarantined?: { readonly incident: string; readonly forMs: number };
  /** Why it was turned away, when to come back, and what the administrator says to it. */
  shed?: { readonly incident: string; readonly retryAfterMs: number; readonly say: string };
  outcome?: string;
}

export interface RequestLog {
  /** `fields` never hold anything of the request but its method and id. */
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Writes the line, unless nothing worth a line happened. */
export function logRequest(log: RequestLog, note: RequestNote, nowMs: number): void {
  if (!note.failure && note.attempts < 2 && note.heldMs < 1 && note.outcome === 'answered') return;
  const incident = (note.quarantined ?? note.shed)?.incident;
  log.info(
    {
      request: note.id,
      gateway: note.gateway,
      method: note.method,
      outcome: note.outcome,
      took_ms: Math.round(nowMs - note.beganMs),
      held_ms: Math.round(note.heldMs),
      attempts: note.attempts,
      replays: note.replays,
      ...(note.raced ? { raced: true } : {}),
      ...(note.status === undefined ? {} : { status: note.status }),
      ...(incident === undefined ? {} : { incident: incidentCode(incident) }),
      ...(note.resend ? { resend: note.resend } : {}),
      ...(note.failure ? { failure: note.failure.kind, phase: note.failure.phase, detail: note.failure.detail, bytes_written: note.failure.bytesWritten, bytes_read: note.failure.bytesRead } : {}),
    },
    'request',
  );
}
