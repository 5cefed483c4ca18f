/** What the service needs and what is in trouble: evidence `dependency` for each such service of `depends_on`. */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Clock } from '../../core/time.ts';
import type { Dependency, Probe } from '../leaves.ts';
import { connectProbe } from '../../upstream/probe.ts';
import { isOnThisHost } from '../ask-datastore.ts';

/** A local service takes a connection in microseconds. */
const connectMs = 100;

/** Applies to every service. One that depends on nothing, or whose dependencies are well, gives no evidence. */
export const dependencies: Probe = {
  name: 'dependencies',
  deadlineMs: 150,
  quick: true,
  applies: () => true,
  async look(context, signal) {
    const looked = await Promise.all(context.dependencies.map((dependency) => troubleOf(dependency, { signal, clock: context.clock })));
    return looked.flat();
  },
};

/** By name: when a MySQL server of another host last took a connection of ours. */
const tookConnectionMs = new Map<string, number>();
/** A hundred connections in a row without a login, and it shuts this host out; a refused one does not count. */
const lookAgainMs = 60_000;

async function troubleOf({ name, kind, trouble, address, speaks }: Dependency, { signal, clock }: { readonly signal: AbortSignal; readonly clock: Clock }): Promise<readonly Evidence[]> {
  const evidence = (text: string, incident: boolean): readonly Evidence[] => [{ kind: 'dependency', source: name, text, facts: { name, kind, incident } }];
  if (trouble !== undefined) return evidence(`${name} has an open incident: ${/[.!?]$/.test(trouble) ? trouble : `${trouble}.`}`, true);
  const counts = speaks === 'mysql' && address !== undefined && !isOnThisHost(address);
  if (counts && clock.monotonicMs() - (tookConnectionMs.get(name) ?? -Infinity) < lookAgainMs) return [];
  const failure = address && (await connectProbe(address, connectMs, { signal }));
  if (counts && failure === undefined) tookConnectionMs.set(name, clock.monotonicMs());
  return failure === undefined || failure.source === 'internal' ? [] : evidence(`${name} takes no connection: ${failure.detail}.`, false);
}
