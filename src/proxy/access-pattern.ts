/**
 * What the requests of the last seconds have in common: their classes, and the address and path that most of them share.
 * Told to the healer only while there is more to do than is done, for the words in which it names an overload. Bounded:
 * what is counted of addresses and paths is never too much, and too little by at most a 32nd of all.
 */
import type { Fact } from '../channel/messages.ts';
import type { Clock } from '../core/time.ts';
import type { GatewayRequest } from './gateway-request.ts';
import type { TrafficClass } from './traffic-class.ts';

export type Pattern = NonNullable<Extract<Fact, { type: 'traffic_summary' }>['pattern']>;

const halfMs = 15_000;
const mostNames = 32;
/** Of fewer nothing can be said. */
const fewest = 20;
const longestPath = 120;

interface Half {
  readonly beganMs: number;
  requests: number;
  crawlers: number;
  logins: number;
  readonly addresses: Map<string, number>;
  readonly paths: Map<string, number>;
}

export class AccessPattern {
  readonly #clock: Clock;
  #now: Half;
  #before: Half;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = begin(clock.monotonicMs());
    this.#before = this.#now;
  }

  /** Costs about a microsecond. */
  count({ target, clientAddress }: Pick<GatewayRequest, 'target' | 'clientAddress'>, kind: TrafficClass): void {
    const half = this.#half();
    half.requests += 1;
    if (kind === 'crawler') half.crawlers += 1;
    if (kind === 'login' || kind === 'xmlrpc') half.logins += 1;
    if (clientAddress !== '') count(half.addresses, clientAddress);
    const end = target.indexOf('?');
    count(half.paths, target.slice(0, Math.min(end < 0 ? target.length : end, longestPath)));
  }

  /** `undefined` while there were too few. */
  seen(): Pattern | undefined {
    const now = this.#half();
    const halves = now === this.#before ? [now] : [this.#before, now];
    const sum = (of: (half: Half) => number): number => halves.reduce((total, half) => total + of(half), 0);
    const requests = sum((half) => half.requests);
    if (requests < fewest) return undefined;
    const address = commonest(
      halves.map((half) => half.addresses),
      /^[0-9a-fA-F:.]{2,45}$/,
    );
    const path = commonest(
      halves.map((half) => half.paths),
      /^\/[\x21-\x7e]{0,119}$/,
    );
    return {
      requests,
      withinMs: Math.round(this.#clock.monotonicMs() - halves[0]!.beganMs),
      crawlers: sum((half) => half.crawlers),
      logins: sum((half) => half.logins),
      ...(address && { address }),
      ...(path && { path }),
    };
  }

  #half(): Half {
    const nowMs = this.#clock.monotonicMs();
    const passedMs = nowMs - this.#now.beganMs;
    if (passedMs >= halfMs) {
      const next = begin(nowMs);
      this.#before = passedMs >= 2 * halfMs ? next : this.#now;
      this.#now = next;
    }
    return this.#now;
  }
}

function begin(beganMs: number): Half {
  return { beganMs, requests: 0, crawlers: 0, logins: 0, addresses: new Map(), paths: new Map() };
}

/** Where there is no room for one more name, each loses one (Misra and Gries): what is common stays. */
function count(names: Map<string, number>, name: string): void {
  const known = names.get(name);
  if (known !== undefined || names.size < mostNames) return void names.set(name, (known ?? 0) + 1);
  for (const [other, times] of names) {
    if (times > 1) names.set(other, times - 1);
    else names.delete(other);
  }
}

/** Of the names that can be told. */
function commonest(halves: readonly ReadonlyMap<string, number>[], tellable: RegExp): { readonly name: string; readonly count: number } | undefined {
  let best: { readonly name: string; readonly count: number } | undefined;
  for (const name of new Set(halves.flatMap((names) => [...names.keys()]))) {
    const times = halves.reduce((total, names) => total + (names.get(name) ?? 0), 0);
    if (tellable.test(name) && times > (best?.count ?? 0)) best = { name, count: times };
  }
  return best;
}
