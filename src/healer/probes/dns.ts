/**
 * Do the names resolve that our own configuration uses: of the upstreams and of what the service needs? Each is looked up
 * as every program does it (evidence `name`), and, where that fails or is slow, the name servers of this host are
 * asked directly (evidence `name_server`). Names from anywhere else are not asked.
 */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { readText } from '../proc.ts';
import { listenersAt } from '../socket-tables.ts';
import { socketsOf } from './read-once.ts';

/** The system's resolver waits 5 s for a silent server before it asks the next one: so long nobody here can wait. */
const lookupMs = 4200;
/** A server in the same data centre answers in milliseconds; what is slower is felt at every connect. */
const slowMs = 1000;
/** Who answers after 3 s is slow, not silent. Begins when a look-up has taken {@link slowMs}, so that both end together. */
const askMs = 3200;
const mostNames = 4;
const mostServers = 3;

/** Applies to every service; it gives no evidence where only addresses are configured. */
export const dns: Probe = {
  name: 'dns',
  deadlineMs: 4500,
  quick: false,
  applies: () => true,
  async look(context, signal) {
    const names = namesOf(context);
    const lookups = names.map((name) => lookUp(name, signal));
    const early = await Promise.all(lookups.map((lookup) => Promise.race([lookup, sleep(slowMs, undefined, { ref: false })])));
    const troubled = names.find((_, index) => early[index]?.result !== 'resolved');
    const asked = troubled === undefined ? [] : nameServers().map((server) => askServer(server, troubled));
    const [looked, servers] = await Promise.all([Promise.all(lookups), Promise.all(asked)]);
    return [...looked.map((one) => nameEvidence(one, listenersFor(context, one.name))), ...servers];
  },
};

function namesOf({ target, dependencies }: ProbeContext): readonly string[] {
  const addresses = [target.upstreams[target.current], ...dependencies.map(({ address }) => address)];
  const hosts = addresses.flatMap((address) => (address?.kind === 'tcp' && isIP(address.host) === 0 && address.host !== 'localhost' ? [address.host] : []));
  return [...new Set(hosts)].slice(0, mostNames);
}

interface Looked {
  readonly name: string;
  /** `late`: no answer within our time. */
  readonly result: 'resolved' | 'not_found' | 'no_server' | 'late' | 'failed';
  readonly addresses: readonly string[];
  readonly ms: number;
}

const results: Readonly<Record<string, Looked['result']>> = { ENOTFOUND: 'not_found', ENODATA: 'not_found', EAI_AGAIN: 'no_server' };

async function lookUp(name: string, signal: AbortSignal): Promise<Looked> {
  const started = performance.now();
  const over = new AbortController();
  const found = lookup(name, { all: true }).then(
    (answers) => ({ result: 'resolved' as const, addresses: answers.map(({ address }) => address).slice(0, 8) }),
    (error: NodeJS.ErrnoException) => ({ result: results[error.code ?? ''] ?? ('failed' as const), addresses: [] }),
  );
  const late = sleep(lookupMs, { result: 'late' as const, addresses: [] }, { signal: AbortSignal.any([signal, over.signal]) }).catch(() => ({ result: 'late' as const, addresses: [] }));
  const first = await Promise.race([found, late]);
  over.abort();
  return { name, ...first, ms: Math.round(performance.now() - started) };
}

/** Where somebody listens on this host on the port that is used with the name of the upstream. */
function listenersFor(context: ProbeContext, name: string): readonly string[] {
  const address = context.target.upstreams[context.target.current];
  if (address?.kind !== 'tcp' || address.host !== name) return [];
  const hosts = listenersAt([address], socketsOf(context).listeners).flatMap((row) => (row.address.kind === 'tcp' ? [row.address.host] : []));
  return [...new Set(hosts)].slice(0, 8);
}

function nameEvidence({ name, result, addresses, ms }: Looked, listeners: readonly string[]): Evidence {
  const texts: Readonly<Record<Looked['result'], string>> = {
    resolved: `The name ${name} resolves to ${addresses.join(', ')}, after ${ms} ms.`,
    not_found: `The name ${name} does not exist, as the resolver of this host says.`,
    no_server: `No name server gave an answer for ${name}, as the resolver of this host says.`,
    late: `The name ${name} was not resolved within ${ms} ms.`,
    failed: `The name ${name} could not be looked up.`,
  };
  return { kind: 'name', source: 'resolver', text: texts[result], facts: { name, result, addresses, ms, slow: ms >= slowMs, listeners } };
}

/** As /etc/resolv.conf names them, in their order. */
function nameServers(): readonly string[] {
  const servers = [...readText('/etc/resolv.conf').matchAll(/^\s*nameserver\s+(\S+)/gm)].map((found) => found[1]!);
  return servers.filter((server) => isIP(server.split('%', 1)[0]!) !== 0).slice(0, mostServers);
}

/** Any word of the server's counts as an answer, also that it will not say, or could not find out: one zone may be broken. */
const silences: readonly string[] = ['ETIMEOUT', 'ECONNREFUSED'];

async function askServer(server: string, name: string): Promise<Evidence> {
  const resolver = new Resolver({ timeout: 2 * askMs, tries: 1 });
  // its own limit is looked at once a second only
  const over = setTimeout(() => resolver.cancel(), askMs);
  resolver.setServers([isIP(server) === 6 ? `[${server}]` : server]);
  const started = performance.now();
  const code = await resolver.resolve4(name).then(
    () => 'answered',
    (error: NodeJS.ErrnoException) => (error.code === 'ECANCELLED' ? 'ETIMEOUT' : (error.code ?? 'error')),
  );
  clearTimeout(over);
  const ms = Math.round(performance.now() - started);
  const answers = !silences.includes(code);
  const exists = code === 'answered' ? 'yes' : code === 'ENOTFOUND' ? 'no' : 'unknown';
  const word = code === 'ECONNREFUSED' ? 'cannot be reached' : 'did not answer';
  const other = code === 'ESERVFAIL' ? 'could not be found out (SERVFAIL)' : `gives ${code}`;
  const text = answers
    ? `The name server ${server} answers after ${ms} ms: ${name} ${exists === 'yes' ? 'exists' : exists === 'no' ? 'does not exist' : other}.`
    : `The name server ${server} ${word} within ${ms} ms (${code}).`;
  return { kind: 'name_server', source: '/etc/resolv.conf', text, facts: { server, name, answers, exists, ms, code } };
}
