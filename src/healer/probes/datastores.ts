/**
 * What databases, caches and brokers say for themselves, without an account: those that the service needs (evidence
 * `dependency_word`), and the service itself where it is one (`own_word`). One that answers well gives no evidence.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Address } from '../../core/failure.ts';
import { askDatastore, usualSpeech, type DatastoreKind } from '../ask-datastore.ts';
import type { Probe, ProbeContext } from '../leaves.ts';

/** A greeting takes a millisecond; the rest is for a busy machine. */
const askMs = 1500;

/** Applies to every service. */
export const datastores: Probe = {
  name: 'datastores',
  deadlineMs: 3500,
  quick: false,
  applies: () => true,
  async look(context, signal) {
    const heard = await Promise.all(asked(context).map((one) => listenTo(one, signal)));
    return heard.flat();
  },
};

interface Asked {
  readonly evidence: 'dependency_word' | 'own_word';
  readonly name: string;
  readonly kind: string;
  readonly speaks: DatastoreKind;
  readonly address: Address;
}

function asked({ target, dependencies }: ProbeContext): readonly Asked[] {
  const needed = dependencies.flatMap(({ name, kind, speaks, address }): readonly Asked[] => (speaks && address ? [{ evidence: 'dependency_word', name, kind, speaks, address }] : []));
  const address = target.upstreams[target.current];
  const speaks = address && target.protocol === undefined ? usualSpeech(address) : undefined;
  return address && speaks ? [...needed, { evidence: 'own_word', name: target.name, kind: 'own', speaks, address }] : needed;
}

async function listenTo({ evidence, name, kind, speaks, address }: Asked, signal: AbortSignal): Promise<readonly Evidence[]> {
  const { passed, text, meaning } = await askDatastore(speaks, address, { timeoutMs: askMs, signal });
  // What speaks otherwise than we thought is no sign of anything: where it listens was our only reason.
  if (passed !== false || meaning === undefined || meaning === 'strange') return [];
  return [
    { kind: evidence, source: name, text: `${name} ${meaning === 'unreachable' ? 'takes no connection: ' : ''}${text}${/[.!?]$/.test(text) ? '' : '.'}`, facts: { name, kind, meaning, speaks } },
  ];
}
