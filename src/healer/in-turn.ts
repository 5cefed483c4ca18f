const lastOf = new WeakMap<object, Promise<unknown>>();

/**
 * Does the work once everything that was handed in before for the same `key` has ended, so that a check and the
 * change that it allows are one. The result is the work's own; a work that throws holds up nobody after it.
 */
export function inTurn<T>(key: object, work: () => Promise<T>): Promise<T> {
  const turn = (lastOf.get(key) ?? Promise.resolve()).then(work);
  lastOf.set(
    key,
    turn.catch(() => undefined),
  );
  return turn;
}
