/** What the service needs and what is in trouble: evidence `dependency` for each such service of `depends_on`. */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Dependency, Probe } from '../leaves.ts';
import { connectProbe } from '../../upstream/probe.ts';

/** A local service takes a connection in microseconds. */
const connectMs = 100;

/** Applies to every service. One that depends on nothing, or whose dependencies are well, gives no evidence. */
export const dependencies: Probe = {
  name: 'dependencies',
  deadlineMs: 150,
  quick: true,
  applies: () => true,
  async look(context, signal) {
    const looked = await Promise.all(context.dependencies.map((dependency) => troubleOf(dependency, signal)));
    return looked.flat();
  },
};

async function troubleOf({ name, kind, trouble, address }: Dependency, signal: AbortSignal): Promise<readonly Evidence[]> {
  const evidence = (text: string, incident: boolean): readonly Evidence[] => [{ kind: 'dependency', source: name, text, facts: { name, kind, incident } }];
  if (trouble !== undefined) return evidence(`${name} has an open incident: ${/[.!?]$/.test(trouble) ? trouble : `${trouble}.`}`, true);
  const failure = address && (await connectProbe(address, connectMs, { signal }));
  return failure === undefined || failure.source === 'internal' ? [] : evidence(`${name} takes no connection: ${failure.detail}.`, false);
}
