/** Asks proxies whether they could serve by a configuration, and waits for what they say. */
import type { Channel } from '../channel/frame.ts';
import type { Fact, FromHealer } from '../channel/messages.ts';
import type { Clock } from '../core/time.ts';

/** Opening sockets and reading pages takes milliseconds; a proxy that is this late is not well. */
const longestMs = 10_000;

type Prepared = Extract<Fact, { type: 'prepared' }>;

interface Asked {
  readonly channel: Channel<FromHealer>;
  readonly settle: (problems: readonly string[]) => void;
}

export class ProxyConsent {
  readonly #clock: Clock;
  readonly #asked = new Map<number, Asked>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What this proxy has against it; nothing when it is ready, or has gone: it asks what is in force when it comes back. */
  async ask(channel: Channel<FromHealer>, sha256: string): Promise<readonly string[]> {
    const id = ++this.#last;
    const over = new AbortController();
    const answer = new Promise<readonly string[]>((resolve) => this.#asked.set(id, { channel, settle: resolve }));
    if (!channel.send({ type: 'prepare', id, sha256 })) {
      // it takes nothing any more: when it comes back it asks what is in force
      this.#asked.delete(id);
      channel.close();
      return [];
    }
    const late = this.#clock.sleep(longestMs, over.signal).then((): readonly string[] => [`the proxy did not answer within ${longestMs / 1000} s whether it can serve by it`]);
    const problems = await Promise.race([answer, late]);
    over.abort();
    this.#asked.delete(id);
    return problems;
  }

  /** An answer to nothing that this proxy was asked, or one that is late, is nothing. */
  took({ id, problems }: Prepared, channel: Channel<FromHealer>): void {
    const asked = this.#asked.get(id);
    if (asked?.channel === channel) asked.settle(problems);
  }

  gone(channel: Channel<FromHealer>): void {
    for (const asked of this.#asked.values()) if (asked.channel === channel) asked.settle([]);
  }
}
