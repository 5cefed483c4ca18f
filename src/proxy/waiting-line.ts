/**
 * Who waits at the gate, and who is next. Clients take turns, and each client's own requests go oldest first, so that
 * one who asks for much waits longer than one who asks for little. Everybody costs constant time, but for a full line.
 */

/** One who waits. `client` is what takes turns: the visitor's address, or the same text for all where turns are off. */
export interface Waiting {
  readonly client: string;
}

export class WaitingLine<Waiter extends Waiting> {
  /** In the order of turns: the first client is next. No client without a waiter. */
  readonly #turns = new Map<string, Set<Waiter>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(waiter: Waiter): void {
    const own = this.#turns.get(waiter.client);
    if (own) own.add(waiter);
    else this.#turns.set(waiter.client, new Set([waiter]));
    this.#size += 1;
  }

  /** Does nothing for one who does not wait any more. */
  remove(waiter: Waiter): void {
    const own = this.#turns.get(waiter.client);
    if (!own?.delete(waiter)) return;
    this.#size -= 1;
    if (own.size === 0) this.#turns.delete(waiter.client);
  }

  /** Takes the next one off; its client goes to the end of the turns. */
  next(): Waiter | undefined {
    for (const [client, own] of this.#turns) {
      this.#turns.delete(client);
      if (own.size > 1) this.#turns.set(client, own);
      for (const waiter of own) {
        own.delete(waiter);
        this.#size -= 1;
        return waiter;
      }
    }
    return undefined;
  }

  /**
   * Whoever must go when the line is full and `client` comes: the newest of the client that has most in it, if that one
   * has at least two more than `client`. Else nobody: then the one who comes is the one too many.
   */
  crowdedOutBy(client: string): Waiter | undefined {
    let most: Set<Waiter> | undefined;
    for (const own of this.#turns.values()) if (own.size > (most?.size ?? 0)) most = own;
    if (!most || most.size < (this.#turns.get(client)?.size ?? 0) + 2) return undefined;
    return [...most].at(-1);
  }

  *[Symbol.iterator](): Generator<Waiter> {
    for (const own of this.#turns.values()) yield* own;
  }
}
