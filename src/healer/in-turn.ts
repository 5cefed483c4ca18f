const lastOf = new WeakMap<object, Map<string, Promise<unknown>>>();

/**
 * Does the work once everything that was handed in before under the same name has ended, so that a check and the change
 * that it allows are one. `owner`: the healer; a name of its own for each thing that is taken in turn. The result is the
 * work's own; a work that throws holds up nobody after it.
 */
export function inTurn<T>(owner: object, name: string, work: () => Promise<T>): Promise<T> {
  const lines = lastOf.get(owner) ?? new Map<string, Promise<unknown>>();
  lastOf.set(owner, lines);
  const turn = (lines.get(name) ?? Promise.resolve()).then(work);
  lines.set(
    name,
    turn.catch(() => undefined),
  );
  return turn;
}
