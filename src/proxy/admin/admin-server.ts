/** The admin listener: loopback or unix, read-only. `/livez`, `/readyz` for supervisors, `/metrics` for Prometheus, `/state` for people and pages. */
import Fastify, { type FastifyReply } from 'fastify';
import type { Address } from '../../core/failure.ts';
import { formatAddress } from '../../core/failure.ts';
import { incidentCode } from '../../core/ids.ts';
import type { Gateway } from '../gateway.ts';
import type { Listener } from '../gateway-request.ts';
import { listenOn } from '../../channel/listen-on.ts';
import { expositionType } from './exposition.ts';

export interface AdminOptions {
  readonly address: Address;
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly healerConnected: () => boolean;
  /** As a sentence; `undefined` when visitors are served. */
  readonly whyNotReady: () => string | undefined;
  /** In the text format of Prometheus. */
  readonly metrics: () => string;
}

/** Serves until closed. Rejects when it cannot listen. */
export async function listenAdmin(options: AdminOptions): Promise<Listener> {
  const app = Fastify({ logger: false });
  app.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'));
  app.get('/livez', () => 'ok\n');
  app.get('/readyz', (_request, reply) => answerReady(options, reply));
  app.get('/metrics', (_request, reply) => reply.type(expositionType).send(options.metrics()));
  app.get('/state', () => describeState(options));
  await app.ready();
  await listenOn(app.server, options.address, { mode: '0660' });
  return {
    close: async () => {
      app.server.closeAllConnections();
      await new Promise<void>((resolve) => app.server.close(() => resolve()));
      await app.close();
    },
  };
}

/** Without the healer visitors are served all the same: an orchestrator that took the proxy away would make an outage of it. */
function answerReady({ whyNotReady, healerConnected }: AdminOptions, reply: FastifyReply): FastifyReply {
  const why = whyNotReady();
  if (why !== undefined) return reply.code(503).send(`${why}\n`);
  return reply.send(healerConnected() ? 'ok\n' : 'ok, but the healer is away: visitors are served, nothing is repaired\n');
}

/** The whole state as JSON. Incidents by the code that visitors see. */
export function describeState({ gateways, healerConnected }: Pick<AdminOptions, 'gateways' | 'healerConnected'>): object {
  return {
    healer: healerConnected() ? 'connected' : 'away',
    gateways: Object.fromEntries([...gateways].map(([name, gateway]) => [name, describeGateway(gateway)])),
  };
}

function describeGateway({ gate, health, quarantine, shedding }: Gateway): object {
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
    last_recovery: lastRecovery
      ? { incident: lastRecovery.incident ? incidentCode(lastRecovery.incident) : null, say: lastRecovery.say, took_ms: lastRecovery.tookMs, at: new Date(lastRecovery.atMs).toISOString() }
      : null,
  };
}
