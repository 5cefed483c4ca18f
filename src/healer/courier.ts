/**
 * Carries the messages of one receiver, one after the other: keeps each in the spool until it has arrived, tries again
 * with growing pauses, and gives up after a day. Whoever hands a message in waits for the disk, never for the receiver.
 */
import { formatDuration, type Clock } from '../core/time.ts';
import type { HealerLog } from './healer.ts';
import type { Message, ReceiverStatus, SendOutcome } from './notifier.ts';
import type { Spool, Waiting } from './spool.ts';

export interface CourierOptions {
  readonly name: string;
  /** One try, as it is configured now; gives up when the signal aborts. */
  readonly send: (message: Message, signal: AbortSignal) => Promise<SendOutcome>;
  readonly timeoutMs: () => number;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: HealerLog;
  /** 0 to 1: so that many hosts do not come back at one moment. */
  readonly random: () => number;
  /** A message will never arrive: for the record. */
  readonly onLost: (message: Message, why: string) => Promise<void>;
}

export interface Courier {
  /** Resolves when the message is on the disk, or is known not to be. Never rejects. */
  post(message: Message): Promise<void>;
  status(): ReceiverStatus;
  /** Ends the try under way; what waits stays in the spool. */
  close(): Promise<void>;
}

/** Waiting at once, for one receiver: an hour of trouble with every service of a host. */
export const mostWaiting = 200;
const firstPauseMs = 1000;
const longestPauseMs = 300_000;
/** Longest pause that a receiver may ask for. */
const longestAskedMs = 900_000;
/** What nobody got for so long is no news any more. */
const oldestMs = 86_400_000;
/** Between the end of a try's time and ours: who does not hear the signal is left alone. */
const graceMs = 1000;
/** Arriving later than this, a message says when it was said. */
const lateMs = 60_000;

/** Begins with what the spool holds. */
export function startCourier(options: CourierOptions): Courier {
  return new Carrier(options);
}

/** `sinceMs`: when it was said, on the monotonic clock: a wall clock that is set right makes no message old. */
type Kept = Waiting & { readonly sinceMs: number };

class Carrier implements Courier {
  readonly #options: CourierOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #queue: Kept[];
  #wake = new AbortController();
  #problem: string | undefined;
  #fails = 0;
  /** Messages get their numbers in the order in which they are handed in. */
  #posting: Promise<unknown> = Promise.resolve();

  constructor(options: CourierOptions) {
    this.#options = options;
    const { clock, spool } = options;
    this.#queue = spool.found.map((one) => ({ ...one, sinceMs: clock.monotonicMs() - Math.max(0, clock.wallMs() - Date.parse(one.message.at)) }));
    for (const problem of options.spool.problems) options.log.error({ notifier: options.name }, problem);
    this.#running = this.#run();
  }

  post(message: Message): Promise<void> {
    const posted = this.#posting.then(() => this.#keep(message));
    this.#posting = posted;
    return posted;
  }

  status(): ReceiverStatus {
    const [oldest] = this.#queue;
    return { waiting: this.#queue.length, oldestMs: oldest && Date.parse(oldest.message.at), problem: this.#problem };
  }

  async close(): Promise<void> {
    await this.#posting;
    this.#stop.abort();
    await this.#running;
  }

  async #keep(message: Message): Promise<void> {
    const leftOut = this.#queue.length < mostWaiting ? 0 : await this.#makeRoom();
    const kept = await this.#options.spool.add(leftOut === 0 ? message : { ...message, left_out: leftOut });
    if (kept.problem !== undefined) this.#options.log.error({ notifier: this.#options.name }, `a message is kept in memory only, and would be lost with the healer: ${kept.problem}`);
    this.#queue.push({ ...kept, sinceMs: this.#options.clock.monotonicMs() });
    this.#wake.abort();
  }

  /** Drops one: the oldest that asks for nobody, else the oldest. Never the one that is being tried. What it knew to be left out is counted on. */
  async #makeRoom(): Promise<number> {
    const [, ...rest] = this.#queue;
    const dropped = rest.find(({ message }) => message.severity === 'info') ?? rest[0];
    if (!dropped) return 0;
    this.#queue = this.#queue.filter((one) => one !== dropped);
    await this.#options.spool.remove(dropped);
    this.#options.log.warn(
      { notifier: this.#options.name, id: dropped.message.id },
      `${mostWaiting} messages wait for ${this.#options.name}; an older one is dropped, and the newest says so: ${dropped.message.lines[0]}`,
    );
    return (dropped.message.left_out ?? 0) + 1;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      const [next] = this.#queue;
      if (!next) await this.#idle();
      else {
        const outcome = await this.#try(next);
        const pauseMs = await this.#conclude(next, outcome);
        if (pauseMs > 0) await clock.sleep(pauseMs, this.#stop.signal);
      }
    }
  }

  async #idle(): Promise<void> {
    this.#wake = new AbortController();
    if (this.#queue.length === 0) await this.#options.clock.sleep(oldestMs, AbortSignal.any([this.#wake.signal, this.#stop.signal]));
  }

  async #try(tried: Kept): Promise<SendOutcome> {
    const { clock, send, timeoutMs } = this.#options;
    const over = new AbortController();
    const late = new AbortController();
    const ends = AbortSignal.any([late.signal, this.#stop.signal]);
    const limitMs = timeoutMs();
    void clock.sleep(limitMs, over.signal).then(() => late.abort());
    const silent = (async (): Promise<SendOutcome> => {
      await clock.sleep(limitMs + graceMs, AbortSignal.any([over.signal, this.#stop.signal]));
      return { kind: 'failed', retry: true, detail: `no end within ${formatDuration(limitMs)}` };
    })();
    const outcome = await Promise.race([send(this.#asSent(tried), ends), silent]);
    over.abort();
    return outcome;
  }

  /** With what only shows when it is sent. */
  #asSent({ message, sinceMs }: Kept): Message {
    const isLate = this.#options.clock.monotonicMs() - sinceMs > lateMs;
    const { left_out: leftOut } = message;
    const notes = [
      ...(isLate ? [`(Late: this was said at ${message.at.slice(0, 16).replace('T', ' ')} UTC, and could not be told before.)`] : []),
      ...(leftOut === undefined ? [] : [`(${leftOut} older ${leftOut === 1 ? 'message' : 'messages'} to you could not be told; goodgateway log has what happened.)`]),
    ];
    return notes.length === 0 ? message : { ...message, lines: [...message.lines, ...notes] };
  }

  /** The pause until the next try. */
  async #conclude(tried: Kept, outcome: SendOutcome): Promise<number> {
    const { name, clock, log } = this.#options;
    if (outcome.kind === 'sent') {
      if (outcome.detail !== undefined) log.warn({ notifier: name }, `${name} was told, but ${outcome.detail}`);
      if (this.#fails > 0) log.info({ notifier: name }, `${name} is told again`);
      return this.#finish(tried);
    }
    if (this.#stop.signal.aborted) return 0;
    const ageMs = clock.monotonicMs() - tried.sinceMs;
    if (!outcome.retry || ageMs >= oldestMs) {
      const why = outcome.retry ? `nobody could be told for ${formatDuration(ageMs)}: ${outcome.detail}` : outcome.detail;
      log.error({ notifier: name, id: tried.message.id }, `${name} is not told, and it is not tried again (${why}): ${tried.message.lines[0]}`);
      await this.#options.onLost(tried.message, why);
      return this.#finish(tried);
    }
    // the first failure of a row is told; that it goes on is in `status`
    if (this.#fails === 0) log.warn({ notifier: name }, `${name} cannot be told: ${outcome.detail}; it is tried again for ${formatDuration(oldestMs)}`);
    this.#problem = outcome.detail;
    this.#fails += 1;
    return pauseAfter(this.#fails, { random: this.#options.random(), askedMs: outcome.retryAfterMs });
  }

  async #finish(tried: Kept): Promise<number> {
    this.#queue = this.#queue.filter((one) => one !== tried);
    this.#fails = 0;
    this.#problem = undefined;
    await this.#options.spool.remove(tried);
    return 0;
  }
}

/** 1 s, doubled with each failure up to 5 min, of which 75 to 125 %; longer where the receiver asked for it, up to 15 min. */
export function pauseAfter(fails: number, { random, askedMs = 0 }: { readonly random: number; readonly askedMs?: number | undefined }): number {
  const grown = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(fails - 1, 20));
  return Math.max(Math.round(grown * (0.75 + random / 2)), Math.min(askedMs, longestAskedMs));
}
