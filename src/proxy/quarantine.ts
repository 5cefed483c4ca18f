/**
 * Requests of death. The proxy tells the healer of every request whose connection ended without a whole answer; the
 * healer alone knows whether a worker died of it, and orders what is not to be sent any more. Without the healer nothing
 * is added here, and what stands ends by itself.
 */
import type { Fact, Order } from '../channel/messages.ts';
import type { UpstreamFailure } from '../core/failure.ts';
import type { Clock } from '../core/time.ts';
import { fingerprintOf, nameOf } from './fingerprint.ts';
import type { Admission } from './gate-state.ts';
import type { GatewayRequest } from './gateway-request.ts';
import { PerSecond } from './per-second.ts';

/** Most fingerprints that are remembered; the oldest goes. The healer orders far fewer. */
const mostRemembered = 1000;
/** As long as the healer counts strikes together. */
const suspectForMs = 600_000;
/** Facts told in a second. The last of them says that it is the last. */
const toldPerSecond = 100;

export class Quarantine {
  readonly #gateway: string;
  readonly #clock: Clock;
  readonly #tell: (fact: Fact) => void;
  readonly #closed = new Map<string, { readonly incident: string; readonly untilMs: number }>();
  /** What was told as dead lately, oldest first, and when. */
  readonly #suspects = new Map<string, number>();
  readonly #told = new PerSecond();

  constructor(gateway: string, clock: Clock, tell: (fact: Fact) => void) {
    this.#gateway = gateway;
    this.#clock = clock;
    this.#tell = tell;
  }

  /** How many are answered by the page now. */
  get size(): number {
    for (const [fingerprint, { untilMs }] of this.#closed) if (untilMs <= this.#clock.monotonicMs()) this.#closed.delete(fingerprint);
    return this.#closed.size;
  }

  /** The healer's order; a second one for the same request replaces the first. */
  add({ fingerprint, incident, forMs }: Extract<Order, { type: 'quarantine' }>): void {
    this.#closed.delete(fingerprint);
    this.#closed.set(fingerprint, { incident, untilMs: this.#clock.monotonicMs() + forMs });
    if (this.#closed.size > mostRemembered) this.#closed.delete(this.#closed.keys().next().value ?? '');
  }

  /** Asked before the gate, so that nobody waits in vain, and after it, for those who waited meanwhile. */
  async admit(request: GatewayRequest, atGate: () => Promise<Admission>): Promise<Admission> {
    const before = this.#find(request);
    if (before) return before;
    const admission = await atGate();
    if (admission.outcome !== 'proceed') return admission;
    const meanwhile = this.#find(request);
    if (!meanwhile) return admission;
    admission.slot.release();
    return meanwhile;
  }

  /** Tells the healer of an attempt that may have ended its worker: sent, and then the connection broke. */
  attemptFailed(request: GatewayRequest, { kind, source, bytesWritten }: UpstreamFailure, upstream: number): void {
    const broke = kind === 'connection_terminated' || kind === 'http_response_incomplete';
    if (!broke || source !== 'upstream' || bytesWritten === 0) return;
    const now = this.#clock.monotonicMs();
    const told = this.#told.count(now);
    if (told > toldPerSecond) return;
    const untold = told === toldPerSecond;
    const fingerprint = fingerprintOf(request);
    this.#suspects.delete(fingerprint);
    this.#suspects.set(fingerprint, now);
    if (this.#suspects.size > mostRemembered) this.#suspects.delete(this.#suspects.keys().next().value ?? '');
    this.#tell({ type: 'request_died', gateway: this.#gateway, upstream, fingerprint, name: nameOf(request), untold, atMs: this.#clock.wallMs() });
  }

  /** Tells the healer where a request was answered whole that looks like one which may have ended its worker. */
  answered(request: GatewayRequest): void {
    // nobody pays for a hash as long as nothing has died
    if (this.#suspects.size === 0) return;
    const fingerprint = fingerprintOf(request);
    const sinceMs = this.#suspects.get(fingerprint);
    if (sinceMs !== undefined) this.#tell({ type: 'request_survived', gateway: this.#gateway, fingerprint });
    this.#suspects.delete(fingerprint);
    for (const [oldest, told] of this.#suspects) {
      if (this.#clock.monotonicMs() - told < suspectForMs) break;
      this.#suspects.delete(oldest);
    }
  }

  #find(request: GatewayRequest): Extract<Admission, { outcome: 'quarantined' }> | undefined {
    // nobody pays for a hash as long as nothing is quarantined
    if (this.#closed.size === 0) return undefined;
    const found = this.#closed.get(fingerprintOf(request));
    const leftMs = found ? found.untilMs - this.#clock.monotonicMs() : 0;
    return found && leftMs > 0 ? { outcome: 'quarantined', incident: found.incident, forMs: leftMs } : undefined;
  }
}
