/**
 * Asks all probes at once. Each has its own deadline, none can break or delay the others, and what could not be seen
 * is evidence too. The service's state is read once and shared: several probes begin with it.
 */
import type { Evidence } from '../core/diagnosis.ts';
import type { Probe, ProbeContext, ServiceState, ServiceType } from './leaves.ts';

/** Quick probes may take longer where a full picture is wanted: an overloaded machine is slow to answer. */
const patientDeadlineMs = 2000;
/** What was not seen in time is worth so much more, and no more: a dead service waits for its start meanwhile. */
const againDeadlineMs = 1000;

/** `quick`: what is enough to start a dead service; `again`: the same, where something was not seen in time; `all`. */
export type Which = 'quick' | 'again' | 'all';
/** No probe's evidence may fill the audit log. */
const evidencePerProbe = 64;

/**
 * The evidence of all probes that apply, in the order of the probes' names. Never rejects. `quick` asks only the quick
 * ones, within 150 ms; `again` gives them a second; `all` is over when the slowest deadline is. When `signal` aborts, it returns what is there.
 */
export async function gatherEvidence(context: ProbeContext, probes: readonly Probe[], signal: AbortSignal, which: Which): Promise<readonly Evidence[]> {
  const shared = { ...context, serviceType: readStateOnce(context.serviceType) };
  const asked = probes.filter((probe) => probe.applies(context.target) && (which === 'all' || probe.quick));
  const answers = await Promise.all(
    asked.map((probe) => {
      const deadlineMs = { quick: probe.deadlineMs, again: againDeadlineMs, all: Math.max(probe.deadlineMs, patientDeadlineMs) }[which];
      return ask(probe, shared, { deadlineMs, signal });
    }),
  );
  return answers.flat();
}

async function ask(probe: Probe, context: ProbeContext, limits: { readonly deadlineMs: number; readonly signal: AbortSignal }): Promise<readonly Evidence[]> {
  const { deadlineMs, signal } = limits;
  const over = new AbortController();
  const late = async (): Promise<readonly Evidence[]> => {
    await context.clock.sleep(deadlineMs, AbortSignal.any([signal, over.signal]));
    return notSeen(probe, signal.aborted ? 'the time for evidence was over' : `not finished after ${deadlineMs} ms`);
  };
  const looked = (async () => probe.look(context, AbortSignal.any([signal, over.signal])))();
  try {
    const evidence = await Promise.race([looked, late()]);
    return evidence.slice(0, evidencePerProbe);
  } catch (error) {
    return notSeen(probe, error instanceof Error ? error.message : String(error));
  } finally {
    over.abort();
    // A late probe may still fail when its signal aborts; that is already told.
    looked.catch(() => {});
  }
}

/** Of what is missing only the reason is recorded, so the reason says of which probe. */
function notSeen({ name }: Probe, why: string): readonly Evidence[] {
  return [{ kind: 'probe', source: name, text: 'A probe saw nothing.', facts: { probe: name }, missing: `${name}: ${why}` }];
}

function readStateOnce(type: ServiceType): ServiceType {
  let known: Promise<ServiceState> | undefined;
  return { ...bound(type), state: (target, run, signal) => (known ??= type.state(target, run, signal)) };
}

/** A service type may be a class instance: its methods are not its own properties. */
function bound(type: ServiceType): ServiceType {
  return { name: type.name, state: type.state.bind(type), can: type.can.bind(type), control: type.control.bind(type), configTest: type.configTest.bind(type) };
}
