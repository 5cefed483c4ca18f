/**
 * One line for a request, written once, at its end. Without an access record: into the process log, of each request to
 * which something happened (held, sent again, failed, answered by us). With one: there and nowhere else, and of healthy
 * requests, too, all or a sample.
 */
import type { AccessLogConfig } from '../config/access-log-schema.ts';
import { formatAddress, type Address, type UpstreamFailure } from '../core/failure.ts';
import { incidentCode } from '../core/ids.ts';
import { drawOf } from './draw.ts';
import type { GatewayRequest } from './gateway-request.ts';
import { plainPath, printable } from './plain-path.ts';

/** How a request may end. `cut`: its answer broke off. The others: see `fallback/describe.ts`. */
export const requestOutcomes = ['answered', 'cut', 'client_gone', 'failed', 'hold_expired', 'queue_full', 'upstream_down', 'quarantined', 'shed'] as const;
export type RequestOutcome = (typeof requestOutcomes)[number];

/** Less than this is no wait: a request goes through an open gate in microseconds. */
export const heldAtLeastMs = 1;

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
  /** Where it was sent last. */
  upstream?: Address;
  /** Of the backend's last answer. */
  status?: number;
  /** What the visitor was given: the backend's answer or ours. */
  sentStatus?: number;
  /** Why it was, or was not, sent again; the last word counts. */
  resend?: string;
  failure?: UpstreamFailure;
  /** What the gate was closed for while it waited, as far as the healer had said so. */
  incident?: string;
  /** Why it was not sent at all, and for how long nobody sends it. */
  quarantined?: { readonly incident: string; readonly forMs: number };
  /** Why it was turned away, when to come back, and what the administrator says to it. */
  shed?: { readonly incident: string; readonly retryAfterMs: number; readonly say: string };
  outcome?: RequestOutcome;
}

export interface RequestLog {
  /** Set where this is the access record: what goes into it. The process log gets nothing of the request but its method and ids. */
  readonly access?: AccessLogConfig;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
}

type Asked = Pick<GatewayRequest, 'target' | 'clientAddress' | 'header'>;

/** Writes the line, unless nobody wants one. */
export function logRequest(log: RequestLog, { note, request }: { readonly note: RequestNote; readonly request: Asked }, nowMs: number): void {
  if (!isWanted(note, log.access)) return;
  log.info(
    {
      request: note.id,
      gateway: note.gateway,
      method: printable(note.method).slice(0, longestMethod),
      ...(log.access && asked(request, log.access)),
      outcome: note.outcome,
      ...(note.sentStatus === undefined ? {} : { status: note.sentStatus }),
      ...(note.upstream === undefined ? {} : { upstream: formatAddress(note.upstream) }),
      ...(note.status === undefined ? {} : { upstream_status: note.status }),
      took_ms: Math.round(nowMs - note.beganMs),
      held_ms: Math.round(note.heldMs),
      attempts: note.attempts,
      replays: note.replays,
      ...whatHappened(note),
      ...traceOf(request),
    },
    'request',
  );
}

const longestMethod = 32;
const longestPath = 1024;
const longestAddress = 64;

function isWanted(note: RequestNote, access: AccessLogConfig | undefined): boolean {
  if (note.failure || note.attempts !== 1 || note.heldMs >= heldAtLeastMs || note.outcome !== 'answered') return true;
  if (!access) return false;
  return access.sample >= 1 || (note.sentStatus ?? 0) >= 500 || drawOf(note.id) < access.sample;
}

function asked({ target, clientAddress }: Asked, { path, client_address: address }: AccessLogConfig): object {
  return { ...(path ? { path: plainPath(target).slice(0, longestPath) } : {}), ...(address ? { client_address: printable(clientAddress).slice(0, longestAddress) } : {}) };
}

function whatHappened(note: RequestNote): object {
  const { raced, resend, failure } = note;
  const incident = (note.quarantined ?? note.shed)?.incident ?? note.incident;
  return {
    ...(raced ? { raced } : {}),
    ...(incident === undefined ? {} : { incident: incidentCode(incident) }),
    ...(resend ? { resend } : {}),
    ...(failure ? { failure: failure.kind, phase: failure.phase, detail: failure.detail, bytes_written: failure.bytesWritten, bytes_read: failure.bytesRead } : {}),
  };
}

/** @see https://www.w3.org/TR/trace-context/#traceparent-header */
const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)/;

/** The trace that the request belongs to, where its client said so; none is made here. */
function traceOf(request: Asked): object {
  const trace = traceparent.exec(request.header('traceparent') ?? '')?.[1];
  return trace === undefined ? {} : { trace };
}
