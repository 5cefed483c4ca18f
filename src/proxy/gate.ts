/**
 * The gate in front of one backend: requests that were not sent wait here, unread, while the backend is away.
 *
 * It closes by itself when a connect fails and opens by itself when one works again, so that it needs no healer;
 * the healer's orders say more (hold until I say so, answer at once, this many at a time). Released requests go out in
 * a ramp; a failed connect closes the gate again. Replays of what was sent have a budget of their own, which delays
 * them and refuses none. It never reads a body.
 */
import { formatAddress, type Address } from '../core/failure.ts';
import type { Clock } from '../core/time.ts';
import { Concurrency } from './concurrency.ts';
import { closedBy, type Admission, type Closed, type ClosingOrder, type GateLimits, type GateState, type Slot } from './gate-state.ts';
import type { GatewayRequest } from './gateway-request.ts';
import { WaitingLine } from './waiting-line.ts';

/** What the gate must know of a request: never its body. */
export type Comer = Pick<GatewayRequest, 'clientGone' | 'clientAddress'>;

interface Waiter {
  readonly client: string;
  readonly replay: boolean;
  readonly resolve: (admission: Admission) => void;
}

/** The healer's `open` within this time after a connect opened the gate is about the same recovery. */
const sameRecoveryMs = 10_000;

export class Gate {
  #upstreams: readonly Address[];
  readonly #clock: Clock;
  #limits: GateLimits;
  readonly #concurrency: Concurrency;
  /** Called when the gate closes so that a connect can open it: starts the one prober. Aborts when it opens. */
  readonly #watchForRecovery: (target: Address, opened: () => void, signal: AbortSignal) => void;
  #state: GateState = { kind: 'open' };
  #current = 0;
  readonly #line = new WaitingLine<Waiter>();
  /** They have waited once already, and go first as far as their budget reaches. */
  readonly #replays = new WaitingLine<Waiter>();
  #watching: AbortController | undefined;
  #stopped = false;
  #lastRecovery: { incident: string | undefined; say: string; tookMs: number; atMs: number } | undefined;

  constructor(options: {
    readonly upstreams: readonly Address[];
    readonly limits: GateLimits;
    readonly clock: Clock;
    readonly watchForRecovery: (target: Address, opened: () => void, signal: AbortSignal) => void;
  }) {
    this.#upstreams = options.upstreams;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#concurrency = new Concurrency(options.limits.inFlight, options.clock, () => this.#pump());
    this.#watchForRecovery = options.watchForRecovery;
  }

  get upstreams(): readonly Address[] {
    return this.#upstreams;
  }
  get state(): GateState {
    return this.#state;
  }
  get inFlight(): number {
    return this.#concurrency.inFlight;
  }
  get held(): number {
    return this.#line.size + this.#replays.size;
  }
  get current(): number {
    return this.#current;
  }
  get limit(): number | undefined {
    return this.#concurrency.limit;
  }
  /** The last time that the gate opened again: what was said, and how long it was closed. */
  get lastRecovery(): { readonly incident: string | undefined; readonly say: string; readonly tookMs: number; readonly atMs: number } | undefined {
    return this.#lastRecovery;
  }

  /**
   * Resolves when the request may go out, or cannot any more, after `patience()` milliseconds at the latest. Clients take turns, each
   * client's own go oldest first; who comes while others wait goes behind them. `replay`: it may have been executed.
   */
  admit(request: Comer, patience: () => number, replay = false): Promise<Admission> {
    if (request.clientGone.aborted) return Promise.resolve({ outcome: 'client_gone' });
    if ((replay ? this.held : this.#line.size) === 0 && this.#mayGo(replay)) return Promise.resolve(this.#proceed(replay));
    if (this.#state.kind === 'falling_back' || this.#stopped) return Promise.resolve({ outcome: 'upstream_down' });
    const patienceMs = patience();
    // who may not wait at all (a health check) asks an open backend, however busy it is
    if (patienceMs <= 0) return Promise.resolve(this.#state.kind === 'open' ? this.#proceed(replay) : { outcome: 'upstream_down' });
    const client = this.#limits.fairness === 'client' ? request.clientAddress : '';
    if (this.held >= this.#limits.held && !this.#makeRoom(client)) return Promise.resolve({ outcome: 'queue_full' });
    return this.#wait({ client, replay, clientGone: request.clientGone, patienceMs });
  }

  /** A connect failed, or the healer says so: unsent requests wait. */
  hold(order: ClosingOrder): void {
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
    this.#concurrency.beginRamp();
    this.#pump();
  }

  /** The first connect that worked opened the gate; the healer's word comes a moment later and says why. */
  #learnWhy(say: string): void {
    const last = this.#lastRecovery;
    if (last && this.#clock.wallMs() - last.atMs < sameRecoveryMs) this.#lastRecovery = { ...last, say };
  }

  /** The healer is gone: what only it could open, a connect may open now. */
  orphaned(): void {
    if (this.#state.kind !== 'open' && this.#state.until === 'order') this.#close(this.#state.kind, { say: this.#state.say, until: 'connect' });
  }

  /** Sends everything from now on, also what waits, to the n-th upstream. */
  useUpstream(index: number): void {
    if (index === this.#current || this.upstreams[index] === undefined) return;
    this.#current = index;
    if (this.#state.kind !== 'open' && this.#watching) this.#watch(this.#state.until);
  }

  /**
   * The configuration is another one: what waits goes by it, to where it says now. A gate that is closed opens when a
   * connect there works, whoever closed it: what was ordered was about the backend before.
   */
  adopt({ upstreams, limits }: { readonly upstreams: readonly Address[]; readonly limits: GateLimits }): void {
    const [before, index] = [this.#target, this.#current];
    // whoever was sent elsewhere stays there, if it is still allowed; all others go where the configuration says
    this.#current = index === 0 ? 0 : Math.max(0, upstreams.map(formatAddress).indexOf(formatAddress(before)));
    [this.#upstreams, this.#limits] = [upstreams, limits];
    this.#concurrency.limit = limits.inFlight;
    if (this.#state.kind !== 'open' && formatAddress(before) !== formatAddress(this.#target)) {
      this.#state = { ...this.#state, until: 'connect' };
      this.#watch('connect');
    }
    this.#pump();
  }

  /** Whether this is where requests may still go: what becomes of others says nothing about the backend of now. */
  isUpstream({ target, upstream }: Pick<Slot, 'target' | 'upstream'>): boolean {
    const now = this.#upstreams[upstream];
    return now !== undefined && formatAddress(now) === formatAddress(target);
  }

  /** The proxy stops, or this gateway is removed: nobody probes any more, and who still waits is answered. */
  stop(): void {
    this.#stopped = true;
    this.#watching?.abort();
    this.#settleAll({ outcome: 'upstream_down' });
  }

  setLimit(inFlight: number): void {
    this.#concurrency.limit = inFlight;
    this.#pump();
  }

  #close(kind: Closed['kind'], order: ClosingOrder): void {
    const before = this.#state;
    this.#state = closedBy(order, kind, { before, nowMs: this.#clock.monotonicMs() });
    if (before.kind === 'open' || before.until !== order.until || !this.#watching) this.#watch(order.until);
  }

  #watch(until: 'connect' | 'order'): void {
    this.#watching?.abort();
    this.#watching = new AbortController();
    const target = this.#target;
    if (until === 'connect' && !this.#stopped) this.#watchForRecovery(target, () => this.open('it accepts connections again'), this.#watching.signal);
  }

  get #target(): Address {
    return this.#upstreams[this.#current]!;
  }

  #mayGo(replay: boolean): boolean {
    return this.#state.kind === 'open' && (replay ? this.#concurrency.hasRoomForReplay : this.#concurrency.hasRoom);
  }

  /** The line is full: a client that has many in it gives one place to a client that has fewer. */
  #makeRoom(client: string): boolean {
    const crowdedOut = this.#line.crowdedOutBy(client);
    crowdedOut?.resolve({ outcome: 'queue_full' });
    return crowdedOut !== undefined;
  }

  #wait({ client, replay, clientGone, patienceMs }: { client: string; replay: boolean; clientGone: AbortSignal; patienceMs: number }): Promise<Admission> {
    const line = replay ? this.#replays : this.#line;
    return new Promise((resolve) => {
      const late = new AbortController();
      const waiter: Waiter = {
        client,
        replay,
        resolve: (admission) => {
          line.remove(waiter);
          late.abort();
          clientGone.removeEventListener('abort', gone);
          resolve(admission);
        },
      };
      const gone = (): void => waiter.resolve({ outcome: 'client_gone' });
      clientGone.addEventListener('abort', gone, { once: true });
      line.add(waiter);
      void this.#clock.sleep(patienceMs, late.signal).then(() => late.signal.aborted || waiter.resolve({ outcome: 'hold_expired' }));
    });
  }

  #pump(): void {
    while (this.held > 0 && this.#mayGo(false)) {
      const waiter = (this.#mayGo(true) ? this.#replays.next() : undefined) ?? this.#line.next();
      if (!waiter) return;
      waiter.resolve(this.#proceed(waiter.replay));
    }
    if (this.held === 0) this.#concurrency.nobodyWaits();
  }

  #settleAll(admission: Admission): void {
    for (const waiter of [...this.#replays, ...this.#line]) waiter.resolve(admission);
  }

  #proceed(replay: boolean): Admission {
    const place = this.#concurrency.take(replay);
    const upstream = this.#current;
    const target = this.#target;
    const slot: Slot = {
      target,
      upstream,
      answered: place.answered,
      failed: (couldNotConnect) => {
        place.failed();
        if (couldNotConnect && this.#state.kind === 'open' && upstream === this.#current && this.isUpstream(slot)) this.hold({ until: 'connect', say: '', failure: couldNotConnect });
      },
      release: place.release,
    };
    return { outcome: 'proceed', slot };
  }
}
