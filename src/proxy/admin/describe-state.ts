/** The state of all gateways as JSON, for pages and programs. Incidents by the code that visitors see. */
import { formatAddress } from '../../core/failure.ts';
import { incidentCode } from '../../core/ids.ts';
import type { Gateway } from '../gateway.ts';
import { RecentLatency } from './recent-latency.ts';

export interface StateSources {
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly healerConnected: () => boolean;
}

/** Plain JSON, made anew for each call. */
export function describeState({ gateways, healerConnected }: StateSources): object {
  return {
    healer: healerConnected() ? 'connected' : 'away',
    gateways: Object.fromEntries([...gateways].map(([name, gateway]) => [name, describeGateway(gateway)])),
  };
}

/** Of each gateway, as long as it is looked at. */
const latencies = new WeakMap<Gateway, RecentLatency>();

function describeGateway(gateway: Gateway): object {
  const { gate, health, quarantine, shedding, counts, clock } = gateway;
  const latency = latencies.get(gateway) ?? new RecentLatency();
  latencies.set(gateway, latency);
  const { state, lastRecovery } = gate;
  const { level } = shedding;
  return {
    gate: state.kind,
    say: state.kind === 'open' ? '' : state.say,
    incident: state.kind === 'open' || !state.incident ? null : incidentCode(state.incident),
    held: gate.held,
    in_flight: gate.inFlight,
    limit: gate.limit ?? null,
    quarantined: quarantine.size,
    shedding: level ? { keep: level.keep, incident: incidentCode(level.incident) } : null,
    upstream: formatAddress(gate.upstreams[gate.current] ?? { kind: 'unix', path: '/' }),
    no_progress_ms: health.noProgressMs(),
    total: health.total,
    failures: Object.fromEntries([...health.failures].filter(([, times]) => times > 0)),
    latency: latency.read(counts.took, clock.monotonicMs()),
    last_recovery: lastRecovery
      ? { incident: lastRecovery.incident ? incidentCode(lastRecovery.incident) : null, say: lastRecovery.say, took_ms: lastRecovery.tookMs, at: new Date(lastRecovery.atMs).toISOString() }
      : null,
  };
}
