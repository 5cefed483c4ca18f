/**
 * Shedding load, by the healer's order: about so large a share of the requests goes on, the rest is asked to come back;
 * when fewer come than that share of those who came when it was ordered, everybody is let in. What matters least goes first (`traffic-class.ts`): from the counts of the last seconds follows which share of each
 * class is let in. Health checks, WebSockets and what is in the backend already are left alone, and nothing is
 * remembered of any client. Without a healer it ends by itself.
 */
import type { GatewayConfig } from '../config/host-schema.ts';
import type { Order } from '../channel/messages.ts';
import type { Clock } from '../core/time.ts';
import { AccessPattern } from './access-pattern.ts';
import { drawOf } from './draw.ts';
import type { Admission } from './gate-state.ts';
import type { GatewayRequest } from './gateway-request.ts';
import { isHealthCheck } from './hold-time.ts';
import { classOf, trafficClasses, type TrafficClass } from './traffic-class.ts';

type Level = Omit<Extract<Order, { type: 'shed' }>, 'type' | 'gateway'>;

/** The mix of so many seconds is what the next request is judged by: short enough to follow it, long enough to be one. */
const windowSeconds = 5;
/** A healer that is away for so long does not come back soon, and nobody else would let everybody in again. */
const withoutHealerMs = 300_000;

/** With these, one visitor's page, pictures and cart go the same way. Floods come from few addresses, so they are drawn one by one. */
const byVisitor: ReadonlySet<TrafficClass> = new Set(['page', 'customer']);

export interface SheddingOptions {
  readonly gateway: string;
  readonly hold: GatewayConfig['hold'];
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  /** 0 to 1; for tests. */
  readonly random?: () => number;
}

export class Shedding {
  readonly #options: SheddingOptions;
  readonly #mix: RecentMix;
  /** Who asks for what, for the healer. */
  readonly pattern: AccessPattern;
  #level: Level | undefined;
  /** How many had come, in the time of the mix, when it was ordered: the load that was too much. */
  #cameAtOrder = 0;
  #orphanedAtMs: number | undefined;

  constructor(options: SheddingOptions) {
    this.#options = options;
    this.#mix = new RecentMix(options.clock);
    this.pattern = new AccessPattern(options.clock);
  }

  /** What is ordered now; `undefined`: everybody is let in. */
  get level(): { readonly keep: number; readonly incident: string } | undefined {
    return this.#level;
  }

  /** The healer's order; it replaces the one before. `keep: 1` ends it. */
  order(level: Level): void {
    this.#orphanedAtMs = undefined;
    const before = this.#level;
    this.#level = level.keep < 1 ? level : undefined;
    // the same order again, for a proxy that was away, begins nothing anew
    if (before?.incident === level.incident && before.keep === level.keep) return;
    this.#cameAtOrder = sumOf(this.#mix.recent());
  }

  /** Everybody is let in. A healer that has just come tells anew what is to be shed. */
  end(): void {
    this.#level = undefined;
  }

  /** The healer is gone: see {@link expire}. */
  orphaned(): void {
    this.#orphanedAtMs ??= this.#options.clock.monotonicMs();
  }

  /** Ends what no healer has looked after for five minutes. Called now and then. */
  expire(): void {
    const { clock, log, gateway } = this.#options;
    if (!this.#level || this.#orphanedAtMs === undefined || clock.monotonicMs() - this.#orphanedAtMs < withoutHealerMs) return;
    this.end();
    log.warn({ gateway }, `the healer has been away for ${withoutHealerMs / 60_000} minutes: no load is shed any more, everybody is let in`);
  }

  /** Asked before the gate, so that nobody waits in vain, and after it only of those who came before the order. */
  async admit(request: GatewayRequest, atGate: () => Promise<Admission>): Promise<Admission> {
    if (isWebSocket(request) || isHealthCheck(request, this.#options.hold)) return atGate();
    const kind = classOf(request);
    // in quiet times too, at the cost of a microsecond: an order that comes must not begin with a guess at the mix
    this.#mix.count(kind);
    this.pattern.count(request, kind);
    const cameBefore = this.#level === undefined;
    const before = this.#turnAway(request, kind);
    if (before) return before;
    const admission = await atGate();
    if (!cameBefore || admission.outcome !== 'proceed') return admission;
    const meanwhile = this.#turnAway(request, kind);
    if (!meanwhile) return admission;
    admission.slot.release();
    return meanwhile;
  }

  #turnAway(request: GatewayRequest, kind: TrafficClass): Extract<Admission, { outcome: 'shed' }> | undefined {
    const level = this.#level;
    if (!level) return undefined;
    const { hold, random = Math.random } = this.#options;
    const recent = this.#mix.recent();
    const share = admittedShare(recent, kind, level.keep * Math.max(this.#cameAtOrder, sumOf(recent)));
    const visitor = hold.fairness === 'client' && byVisitor.has(kind) ? request.clientAddress : '';
    if ((visitor === '' ? random() : drawOf(`${level.incident} ${visitor}`)) < share) return undefined;
    return { outcome: 'shed', incident: level.incident, retryAfterMs: level.retryAfterMs, say: level.say };
  }
}

/** The share of one class that is let in when `allowed` of all are: the classes before it are turned away first. Pure. */
export function admittedShare(counts: Readonly<Record<TrafficClass, number>>, kind: TrafficClass, allowed: number): number {
  const all = sumOf(counts);
  const before = trafficClasses.slice(0, trafficClasses.indexOf(kind)).reduce((sum, one) => sum + counts[one], 0);
  const toShed = all - allowed - before;
  return counts[kind] === 0 ? 1 : Math.min(1, Math.max(0, 1 - toShed / counts[kind]));
}

function sumOf(counts: Readonly<Record<TrafficClass, number>>): number {
  return trafficClasses.reduce((sum, one) => sum + counts[one], 0);
}

/** How many of each class came in the last seconds. */
class RecentMix {
  readonly #clock: Clock;
  readonly #seconds = Array.from({ length: windowSeconds }, nobody);
  #second = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  count(kind: TrafficClass): void {
    this.#thisSecond()[kind] += 1;
  }

  recent(): Readonly<Record<TrafficClass, number>> {
    this.#thisSecond();
    const sum = nobody();
    for (const second of this.#seconds) for (const one of trafficClasses) sum[one] += second[one];
    return sum;
  }

  #thisSecond(): Record<TrafficClass, number> {
    const now = Math.floor(this.#clock.monotonicMs() / 1000);
    for (let passed = Math.max(this.#second + 1, now - windowSeconds + 1); passed <= now; passed++) this.#seconds[passed % windowSeconds] = nobody();
    this.#second = now;
    return this.#seconds[now % windowSeconds]!;
  }
}

function nobody(): Record<TrafficClass, number> {
  return { crawler: 0, xmlrpc: 0, login: 0, search: 0, feed: 0, page: 0, customer: 0 };
}

/** nginx passes an upgrade on only where it was told to; others may say so and mean nothing by it. */
function isWebSocket(request: GatewayRequest): boolean {
  return request.wire.protocol === 'http' && request.wire.upgrade && request.header('upgrade')?.toLowerCase() === 'websocket';
}
