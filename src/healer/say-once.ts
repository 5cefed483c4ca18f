import type { Healer, OpenCase } from './healer.ts';

/** A state that comes and goes is recorded when it is new, and then once a minute at most. */
const againAfterMs = 60_000;
/** Different things that one incident can say; the oldest is forgotten first. */
const mostRemembered = 100;

/** Whether these words are worth a record now; remembers that they were said. */
export function sayOnce(open: OpenCase, words: string, healer: Healer): boolean {
  const now = healer.clock.monotonicMs();
  const before = open.said.get(words);
  if (before !== undefined && now - before < againAfterMs) return false;
  open.said.delete(words);
  open.said.set(words, now);
  if (open.said.size > mostRemembered) open.said.delete(open.said.keys().next().value ?? '');
  return true;
}
