/**
 * One service at a time between the last look at the host's limits and the count of the attempt. Two that decide in the
 * same moment both see that one attempt is left; only the first of them may spend it.
 */
import type { Decision } from '../core/decision.ts';
import { noteTry } from './breaker.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { overHostLimits } from './policy/budget-gates.ts';
import { limitsOf, touches } from './policy/gates.ts';
import { heldByPeople } from './policy/hands-off-gates.ts';

/** `over`: the host's limits, or a person, forbid the step by now; decide anew. Otherwise the turn is held until it is disposed of. */
export interface HostTurn extends Disposable {
  readonly over: string | undefined;
}

/** The end of the line at each healer's host. */
const lines = new WeakMap<Healer, Promise<void>>();

/** Waits for the turn. A step that does not touch the service waits for nobody. Claims the one try of an open breaker. */
export async function takeHostTurn({ step }: Extract<Decision, { kind: 'recover' }>, place: { open: OpenCase; ward: Ward; healer: Healer }): Promise<HostTurn> {
  const { healer } = place;
  const action = limitsOf(healer.actionTable, step);
  if (!touches(action)) return { over: undefined, [Symbol.dispose]: () => undefined };
  const before = lines.get(healer);
  const { promise, resolve } = Promise.withResolvers<void>();
  lines.set(healer, promise);
  await before;
  const now = { wallMs: healer.clock.wallMs(), monotonicMs: healer.clock.monotonicMs() };
  const history = healer.state.state();
  const over =
    heldByPeople({ now, history, incident: place.open.incident }) ?? overHostLimits({ now, safety: healer.safety, actions: healer.actionTable, history, step, incident: place.open.incident });
  if (over === undefined && action.counts) await noteTry(place);
  return { over, [Symbol.dispose]: resolve };
}
