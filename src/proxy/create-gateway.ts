/** Builds one gateway from its configuration, and gives it another one while it serves. */
import { isDeepStrictEqual } from 'node:util';
import type { GatewayConfig } from '../config/host-schema.ts';
import { systemClock } from '../core/time.ts';
import { backendTls, type BackendTls } from '../upstream/backend-tls.ts';
import { ConnectionPool } from '../upstream/connection-pool.ts';
import { connectProbe } from '../upstream/probe.ts';
import * as protocols from '../upstream/protocols.ts';
import type { BuiltInPages, FallbackPages } from './fallback/load-pages.ts';
import { loadPages } from './fallback/load-pages.ts';
import { Gate } from './gate.ts';
import type { GateLimits } from './gate-state.ts';
import type { Gateway } from './gateway.ts';
import { byteBudget } from './kept-body.ts';
import { PassiveHealth } from './passive-health.ts';
import { poolLimits } from './pool-limits.ts';
import { Quarantine } from './quarantine.ts';
import { watchForRecovery } from './recovery-watch.ts';
import { RequestCounts } from './request-counts.ts';
import type { RequestLog } from './request-log.ts';
import { Shedding } from './shedding.ts';
import type { Fact } from '../channel/messages.ts';

/** What is read for one gateway before it is built or changed: all that can fail. */
export interface GatewayParts {
  readonly name: string;
  readonly config: GatewayConfig;
  readonly tls: BackendTls | undefined;
  readonly pages: FallbackPages;
}

/** What all gateways share. */
export interface GatewayPlace {
  readonly tell: (fact: Fact) => void;
  readonly log: { warn(fields: object, message: string): void };
  /** Where the lines of requests go. */
  readonly requestLog: RequestLog;
  readonly builtIn: BuiltInPages;
}

/** Reads authorities and pages. Throws when the authorities cannot be read; of pages it tells what is left out. */
export async function readGatewayParts(name: string, config: GatewayConfig, { builtIn, log }: Pick<GatewayPlace, 'builtIn' | 'log'>): Promise<GatewayParts> {
  const tls = config.tls && backendTls(config.tls);
  return { name, config, tls, pages: await loadPages(config.fallback, builtIn, (message) => log.warn({ gateway: name }, message)) };
}

/** A gateway that takes another configuration at one moment: attempts under way end as they began, all others go by the new one. */
export interface ChangeableGateway extends Gateway {
  /** Of the same protocol. What was counted, ordered and learned stays. */
  adopt(next: GatewayParts): void;
}

/** The gateway, with an open gate. */
export function createGateway(first: GatewayParts, { tell, log, requestLog }: GatewayPlace): ChangeableGateway {
  const { name } = first;
  let now = first;
  const gate = new Gate({
    upstreams: upstreamsOf(now.config),
    limits: limitsOf(now.config, undefined),
    clock: systemClock,
    watchForRecovery: (target, opened, signal) =>
      void watchForRecovery(target, opened, signal, {
        clock: systemClock,
        connectTimeoutMs: now.config.timeouts.connect,
        connect: (address, timeoutMs, calledOff) => connectProbe(address, timeoutMs, { tls: now.tls, ...(calledOff && { signal: calledOff }) }),
      }),
  });
  const newPool = (): ConnectionPool => new ConnectionPool(poolLimits(now.config, gate.limit), () => gate.state.kind === 'open');
  let connections = newPool();
  return {
    name,
    get config() {
      return now.config;
    },
    get protocol() {
      return protocols[now.config.protocol];
    },
    get tls() {
      return now.tls;
    },
    get pages() {
      return now.pages;
    },
    get connections() {
      return connections;
    },
    gate,
    health: new PassiveHealth(name, systemClock, tell),
    counts: new RequestCounts(),
    quarantine: new Quarantine(name, systemClock, tell),
    shedding: new Shedding({
      gateway: name,
      get hold() {
        return now.config.hold;
      },
      clock: systemClock,
      log,
    }),
    log: requestLog,
    keptBytes: byteBudget(() => now.config.hold.memory),
    putOff: { count: 0 },
    clock: systemClock,
    adopt(next) {
      const before = now.config;
      now = next;
      const sameBackend = isDeepStrictEqual(upstreamsOf(before), upstreamsOf(next.config)) && before.service === next.config.service;
      gate.adopt({ upstreams: upstreamsOf(next.config), limits: limitsOf(next.config, sameBackend && before.concurrency === 'auto' ? gate.limit : undefined) });
      // a kept connection to another place, or without TLS, is of no use any more; those in use end with their request
      if (sameBackend && !before.tls && !next.config.tls) return connections.resize(poolLimits(next.config, gate.limit));
      connections.close();
      connections = newPool();
    },
  };
}

function upstreamsOf({ upstream, also_allowed: others }: GatewayConfig): Gate['upstreams'] {
  return [upstream, ...others];
}

/** `learned`: the size of the backend as the healer told it, where the configuration leaves that to it. */
function limitsOf({ hold, concurrency }: GatewayConfig, learned: number | undefined): GateLimits {
  const inFlight = typeof concurrency === 'number' ? concurrency : concurrency === 'auto' ? learned : undefined;
  return { held: hold.requests, inFlight, fairness: hold.fairness };
}
