/**
 * The gate in front of one backend: requests that were not sent wait here, unread, while the backend is away.
 *
 * It closes by itself when a connect fails and opens by itself when one works again, so that it needs no healer;
 * the healer's orders say more (hold until I say so, answer at once, this many at a time). Released requests go
 * out in a ramp: a few first, one more for each answer; a failed connect closes the gate again. It never reads a body.
 */
import type { Address, FailureKind } from '../core/failure.ts';
import type { Clock } from '../core/time.ts';
import type { Admission, GateLimits, GateState, Slot } from './gate-state.ts';
import type { GatewayRequest } from './gateway-request.ts';

type Closed = Exclude<GateState, { kind: 'open' }>;

interface Waiter {
  readonly resolve: (admission: Admission) => void;
  readonly stop: () => void;
}

/** Requests let go at once when the gate opens; the ramp widens from here. A guess that suits five workers. */
const rampStart = 4;
/** From so many at once, or after so long, a ramp has done its work; one that goes on would throttle a healthy backend. */
const rampEnd = 64;
const rampLongestMs = 5000;
/** The healer's `open` within this time after a connect opened the gate is about the same recovery. */
const sameRecoveryMs = 10_000;

export class Gate {
  readonly upstreams: readonly Address[];
  readonly #clock: Clock;
  readonly #limits: { held: number; inFlight: number | undefined };
  /** Called when the gate closes so that a connect can open it: starts the one prober. Aborts when it opens. */
  readonly #watchForRecovery: (target: Address, opened: () => void, signal: AbortSignal) => void;
  #state: GateState = { kind: 'open' };
  #current = 0;
  #inFlight = 0;
  /** What was let go since the gate opened. Requests that were in the backend before are none of its business. */
  #ramp: { window: number; inFlight: number } | undefined;
  #queue = new Set<Waiter>();
  #watching: AbortController | undefined;
  #stopped = false;
  #lastRecovery: { incident: string | undefined; say: string; tookMs: number; atMs: number } | undefined;

  constructor(options: {
    readonly upstreams: readonly Address[];
    readonly limits: GateLimits;
    readonly clock: Clock;
    readonly watchForRecovery: (target: Address, opened: () => void, signal: AbortSignal) => void;
  }) {
    this.upstreams = options.upstreams;
    this.#clock = options.clock;
    this.#limits = { ...options.limits };
    this.#watchForRecovery = options.watchForRecovery;
  }

  get state(): GateState {
    return this.#state;
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  get held(): number {
    return this.#queue.size;
  }
  get current(): number {
    return this.#current;
  }
  get limit(): number | undefined {
    return this.#limits.inFlight;
  }
  /** The last time that the gate opened again: what was said, and how long it was closed. */
  get lastRecovery(): { readonly incident: string | undefined; readonly say: string; readonly tookMs: number; readonly atMs: number } | undefined {
    return this.#lastRecovery;
  }

  /**
   * Resolves when the request may go out, or cannot any more, after `patienceMs` at the latest.
   * Oldest first; a request that comes while others wait goes behind them.
   */
  admit(request: Pick<GatewayRequest, 'clientGone'>, patienceMs: number): Promise<Admission> {
    if (request.clientGone.aborted) return Promise.resolve({ outcome: 'client_gone' });
    if (this.#mayGo() && this.#queue.size === 0) return Promise.resolve(this.#proceed());
    if (this.#state.kind === 'falling_back' || this.#stopped) return Promise.resolve({ outcome: 'upstream_down' });
    // who may not wait at all (a health check) asks an open backend, however busy it is
    if (patienceMs <= 0) return Promise.resolve(this.#state.kind === 'open' ? this.#proceed() : { outcome: 'upstream_down' });
    if (this.#queue.size >= this.#limits.held) return Promise.resolve({ outcome: 'queue_full' });
    return this.#wait(request.clientGone, patienceMs);
  }

  /** A connect failed, or the healer says so: unsent requests wait. */
  hold(order: { readonly until: 'connect' | 'order'; readonly incident?: string; readonly say: string; readonly estimateMs?: number; readonly failure?: FailureKind }): void {
    this.#close('holding', order);
  }

  /** Nothing will heal soon: all that wait are answered now, and nobody waits from here on. */
  fallBack(order: { readonly until: 'connect' | 'order'; readonly incident?: string; readonly say: string }): void {
    this.#close('falling_back', order);
    this.#settleAll({ outcome: 'upstream_down' });
  }

  /** The backend takes requests again: what waits goes out in a ramp. */
  open(say: string): void {
    if (this.#state.kind === 'open') return this.#learnWhy(say);
    const { sinceMs, incident } = this.#state;
    this.#lastRecovery = { incident, say, tookMs: Math.round(this.#clock.monotonicMs() - sinceMs), atMs: this.#clock.wallMs() };
    this.#state = { kind: 'open' };
    this.#watching?.abort();
    this.#watching = undefined;
    this.#beginRamp();
    this.#pump();
  }

  #beginRamp(): void {
    const ramp = { window: rampStart, inFlight: 0 };
    this.#ramp = ramp;
    void this.#clock.sleep(rampLongestMs).then(() => {
      if (this.#ramp !== ramp) return;
      this.#ramp = undefined;
      this.#pump();
    });
  }

  /** The first connect that worked opened the gate; the healer's word comes a moment later and says why. */
  #learnWhy(say: string): void {
    const last = this.#lastRecovery;
    if (last && this.#clock.wallMs() - last.atMs < sameRecoveryMs) this.#lastRecovery = { ...last, say };
  }

  /** The healer is gone: what only it could open, a connect may open now. */
  orphaned(): void {
    if (this.#state.kind !== 'open' && this.#state.until === 'order') this.#close(this.#state.kind, { ...withoutIncident(this.#state), until: 'connect' });
  }

  /** Sends everything from now on, also what waits, to the n-th upstream. */
  useUpstream(index: number): void {
    if (index === this.#current || this.upstreams[index] === undefined) return;
    this.#current = index;
    if (this.#state.kind !== 'open' && this.#watching) this.#watch(this.#state.until);
  }

  /** The proxy stops: nobody probes any more, and who still waits is answered. */
  stop(): void {
    this.#stopped = true;
    this.#watching?.abort();
    this.#settleAll({ outcome: 'upstream_down' });
  }

  setLimit(inFlight: number): void {
    this.#limits.inFlight = inFlight;
    this.#pump();
  }

  #close(kind: Closed['kind'], order: { readonly until: 'connect' | 'order'; readonly incident?: string; readonly say: string; readonly estimateMs?: number; readonly failure?: FailureKind }): void {
    const before = this.#state.kind === 'open' ? undefined : this.#state;
    this.#state = {
      kind,
      sinceMs: before?.sinceMs ?? this.#clock.monotonicMs(),
      until: order.until,
      incident: order.incident ?? before?.incident,
      say: order.say,
      estimateMs: order.estimateMs ?? before?.estimateMs,
      failure: order.failure ?? before?.failure,
    };
    if (before?.until !== order.until || !this.#watching) this.#watch(order.until);
  }

  #watch(until: 'connect' | 'order'): void {
    this.#watching?.abort();
    this.#watching = new AbortController();
    const target = this.upstreams[this.#current];
    if (until === 'connect' && target) this.#watchForRecovery(target, () => this.open('it accepts connections again'), this.#watching.signal);
  }

  #mayGo(): boolean {
    const ramped = this.#ramp !== undefined && this.#ramp.inFlight >= this.#ramp.window;
    return this.#state.kind === 'open' && !ramped && this.#inFlight < (this.#limits.inFlight ?? Infinity);
  }

  #wait(clientGone: AbortSignal, patienceMs: number): Promise<Admission> {
    return new Promise((resolve) => {
      const late = new AbortController();
      const waiter: Waiter = {
        resolve: (admission) => {
          waiter.stop();
          resolve(admission);
        },
        stop: () => {
          this.#queue.delete(waiter);
          late.abort();
          clientGone.removeEventListener('abort', gone);
        },
      };
      const gone = (): void => waiter.resolve({ outcome: 'client_gone' });
      clientGone.addEventListener('abort', gone, { once: true });
      this.#queue.add(waiter);
      void this.#clock.sleep(patienceMs, late.signal).then(() => late.signal.aborted || waiter.resolve({ outcome: 'hold_expired' }));
    });
  }

  #pump(): void {
    for (const waiter of this.#queue) {
      if (!this.#mayGo()) return;
      waiter.resolve(this.#proceed());
    }
    if (this.#queue.size === 0 && this.#ramp && this.#ramp.inFlight < this.#ramp.window / 2) this.#ramp = undefined;
  }

  #settleAll(admission: Admission): void {
    for (const waiter of this.#queue) waiter.resolve(admission);
  }

  #proceed(): Admission {
    this.#inFlight += 1;
    const ramp = this.#ramp;
    if (ramp) ramp.inFlight += 1;
    let taken = true;
    const upstream = this.#current;
    const slot: Slot = {
      target: this.upstreams[upstream]!,
      upstream,
      answered: () => {
        if (ramp && ++ramp.window >= rampEnd && this.#ramp === ramp) this.#ramp = undefined;
        this.#pump();
      },
      failed: (couldNotConnect) => {
        if (couldNotConnect && this.#state.kind === 'open' && upstream === this.#current) this.hold({ until: 'connect', say: '', failure: couldNotConnect });
      },
      release: () => {
        if (!taken) return;
        taken = false;
        this.#inFlight -= 1;
        if (ramp) ramp.inFlight -= 1;
        this.#pump();
      },
    };
    return { outcome: 'proceed', slot };
  }
}

function withoutIncident(state: Closed): { say: string; estimateMs?: number; failure?: FailureKind } {
  return { say: state.say, ...(state.estimateMs === undefined ? {} : { estimateMs: state.estimateMs }), ...(state.failure === undefined ? {} : { failure: state.failure }) };
}
