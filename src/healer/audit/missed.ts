/**
 * What could not be written, kept until it can be told: a full disk must leave a trace in the log, however much was
 * tried meanwhile. Kept in memory only, in bounded size: how many, from when to when, and what kinds of records.
 */
import type { AuditEvent } from './record.ts';

/** Of further kinds only the number is kept. */
const mostKinds = 20;

/** A count that begins at nothing. */
export class Missed {
  #count = 0;
  #firstMs = 0;
  #lastMs = 0;
  #why = '';
  readonly #kinds = new Map<string, number>();

  /** One more. `why`: the first reason is the one that is told. */
  add(event: AuditEvent, { wallMs, why }: { readonly wallMs: number; readonly why: string }): void {
    if (this.#count === 0) [this.#firstMs, this.#why] = [wallMs, why];
    this.#count += 1;
    this.#lastMs = wallMs;
    const kind = [event.event, event.action, ...(event.service === undefined ? [] : ['of', event.service])].filter((word) => word !== undefined).join(' ');
    if (this.#kinds.has(kind) || this.#kinds.size < mostKinds) this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
  }

  /** The record that tells of all of them; `undefined` when there are none. */
  tell(): (AuditEvent & { readonly unwritten: NonNullable<AuditEvent['unwritten']> }) | undefined {
    if (this.#count === 0) return undefined;
    const [first, last] = [new Date(this.#firstMs).toISOString(), new Date(this.#lastMs).toISOString()];
    const kinds = [...this.#kinds].map(([what, count]) => ({ what, count }));
    const named = kinds.map(({ what, count }) => (count > 1 ? `${count} × ${what}` : what)).join(', ');
    const text = `${this.#count} ${this.#count === 1 ? 'record' : 'records'} could not be written from ${first} to ${last}, and no act that needed one was done: ${named}. ${this.#why}`;
    return { event: 'audit.gap', unwritten: { count: this.#count, first, last, kinds, why: this.#why }, text };
  }

  /** Forgets what was told: so many, the oldest ones. What came meanwhile stays. */
  told({ count, kinds, last }: NonNullable<AuditEvent['unwritten']>): void {
    this.#count -= count;
    this.#firstMs = Date.parse(last);
    for (const { what, count: times } of kinds) {
      const left = (this.#kinds.get(what) ?? 0) - times;
      if (left > 0) this.#kinds.set(what, left);
      else this.#kinds.delete(what);
    }
  }
}
