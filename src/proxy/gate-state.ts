/** The words of the gate: what it answers to a request, and what it says of itself. */
import type { Address, FailureKind } from '../core/failure.ts';

/** One place in the backend, taken for one attempt. */
export interface Slot {
  readonly target: Address;
  /** 0 is the configured upstream, n the n-th of `also_allowed`. */
  readonly upstream: number;
  /** The backend gave a head: the ramp widens. */
  answered(): void;
  /** The attempt failed; `couldNotConnect` closes the gate until a connect works again. */
  failed(couldNotConnect: FailureKind | undefined): void;
  /** The backend is done with the request. Calling it twice does nothing. */
  release(): void;
}

export type Admission =
  | { readonly outcome: 'proceed'; readonly slot: Slot }
  | { readonly outcome: 'quarantined'; readonly incident: string; readonly forMs: number }
  /** Turned away because there is too much to do; `say`: the administrator's words for visitors, empty without any. */
  | { readonly outcome: 'shed'; readonly incident: string; readonly retryAfterMs: number; readonly say: string }
  | { readonly outcome: 'hold_expired' | 'queue_full' | 'upstream_down' | 'client_gone' };

export interface GateLimits {
  /** Most requests that wait at once. */
  readonly held: number;
  /** Most requests in the backend at once, where it is known. */
  readonly inFlight: number | undefined;
  /** Whether clients take turns while they wait. */
  readonly fairness: 'client' | 'none';
}

/** What the gate says of itself to pages, records and the healer. */
export type GateState =
  | { readonly kind: 'open' }
  | {
      readonly kind: 'holding' | 'falling_back';
      readonly sinceMs: number;
      readonly until: 'connect' | 'order';
      readonly incident: string | undefined;
      readonly say: string;
      readonly estimateMs: number | undefined;
      readonly failure: FailureKind | undefined;
    };

export type Closed = Exclude<GateState, { kind: 'open' }>;

/** Why the gate closes, or stays closed. `incident`, `estimateMs` and `failure` stay as they were where nothing is said of them. */
export interface ClosingOrder {
  readonly until: 'connect' | 'order';
  readonly incident?: string;
  readonly say: string;
  readonly estimateMs?: number;
  readonly failure?: FailureKind;
}

/** The state after it, where `before` was the state until now. */
export function closedBy(order: ClosingOrder, kind: Closed['kind'], { before, nowMs }: { readonly before: GateState; readonly nowMs: number }): Closed {
  const closed = before.kind === 'open' ? undefined : before;
  return {
    kind,
    sinceMs: closed?.sinceMs ?? nowMs,
    until: order.until,
    incident: order.incident ?? closed?.incident,
    say: order.say,
    estimateMs: order.estimateMs ?? closed?.estimateMs,
    failure: order.failure ?? closed?.failure,
  };
}
