/** Puts the proxy process together: gateways, listeners, the link to the healer, the admin listener. */
import { join } from 'node:path';
import type { HostConfig } from '../config/host-schema.ts';
import { formatAddress } from '../core/failure.ts';
import { systemClock } from '../core/time.ts';
import { backendTls } from '../upstream/backend-tls.ts';
import { ConnectionPool } from '../upstream/connection-pool.ts';
import { connectProbe } from '../upstream/probe.ts';
import * as protocols from '../upstream/protocols.ts';
import { listenAdmin, type AdminServer } from './admin/admin-server.ts';
import { loadPages, readBuiltIn, type BuiltInPages } from './fallback/load-pages.ts';
import { listenFastcgi } from './fastcgi-listener.ts';
import { Gate } from './gate.ts';
import type { Gateway } from './gateway.ts';
import type { Listener } from './gateway-request.ts';
import { handleRequest } from './handle-request.ts';
import { byteBudget } from './kept-body.ts';
import { createHealerLink, type HealerLink } from './healer-link.ts';
import { listenHttp } from './http-listener.ts';
import { keepListening } from './keep-listening.ts';
import { PassiveHealth } from './passive-health.ts';
import { poolLimits } from './pool-limits.ts';
import { Quarantine } from './quarantine.ts';
import { watchForRecovery } from './recovery-watch.ts';
import { Shedding } from './shedding.ts';

export interface ProxyLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RunningProxy {
  readonly gateways: ReadonlyMap<string, Gateway>;
  /** Stops accepting; answers under way may finish until the signal aborts. */
  close(deadline: AbortSignal): Promise<void>;
}

/** Starts everything that the file asks for; rejects with a sentence when a listener cannot stand. */
export async function runProxy(host: HostConfig, product: string, log: ProxyLog): Promise<RunningProxy> {
  const stop = new AbortController();
  let admin: AdminServer | undefined;
  const link = createHealerLink({ path: join(host.runtime, 'healer.sock'), product, clock: systemClock, onRecord: (line) => admin?.record(line), log });
  const builtIn = await readBuiltIn((message) => log.warn({}, message));
  const gateways = new Map<string, Gateway>();
  for (const [name, config] of Object.entries(host.gateways)) gateways.set(name, await createGateway({ name, config, link, log, builtIn }));
  const listeners: Listener[] = [];
  for (const gateway of gateways.values()) listeners.push(...(await listenFor(gateway, { log, signal: stop.signal })));
  if (host.admin) admin = await listenAdmin({ config: host.admin, product, gateways, healerConnected: link.connected, ask: link.ask }, log);
  if (admin) listeners.push(admin);
  void link.run(gateways, stop.signal);
  return {
    gateways,
    close: async (deadline) => {
      stop.abort();
      for (const { gate } of gateways.values()) gate.stop();
      for (const { connections } of gateways.values()) connections.close();
      await Promise.all(listeners.map((listener) => listener.close(deadline)));
    },
  };
}

interface Parts {
  readonly name: string;
  readonly config: HostConfig['gateways'][string];
  readonly link: HealerLink;
  readonly log: ProxyLog;
  readonly builtIn: BuiltInPages;
}

async function createGateway({ name, config, link, log, builtIn }: Parts): Promise<Gateway> {
  const pages = await loadPages(config.fallback, builtIn, (message) => log.warn({ gateway: name }, message));
  const inFlight = typeof config.concurrency === 'number' ? config.concurrency : undefined;
  const tls = config.tls && backendTls(config.tls);
  const gate = new Gate({
    upstreams: [config.upstream, ...config.also_allowed],
    limits: { held: config.hold.requests, inFlight, fairness: config.hold.fairness },
    clock: systemClock,
    watchForRecovery: (target, opened, signal) =>
      void watchForRecovery(target, opened, signal, {
        clock: systemClock,
        connectTimeoutMs: config.timeouts.connect,
        connect: (address, timeoutMs, calledOff) => connectProbe(address, timeoutMs, { tls, ...(calledOff && { signal: calledOff }) }),
      }),
  });
  return {
    name,
    config,
    protocol: protocols[config.protocol],
    tls,
    connections: new ConnectionPool(poolLimits(config, inFlight), () => gate.state.kind === 'open'),
    gate,
    health: new PassiveHealth(name, systemClock, link.tell),
    quarantine: new Quarantine(name, systemClock, link.tell),
    shedding: new Shedding({ gateway: name, hold: config.hold, clock: systemClock, log }),
    log,
    pages,
    keptBytes: byteBudget(config.hold.memory),
    putOff: { count: 0 },
    clock: systemClock,
  };
}

async function listenFor(gateway: Gateway, { log, signal }: { log: ProxyLog; signal: AbortSignal }): Promise<Listener[]> {
  const { config } = gateway;
  const listeners: Listener[] = [];
  for (const address of config.listen) {
    const options = {
      address,
      socket: config.socket,
      handle: (request: Parameters<typeof handleRequest>[0]) => handleRequest(request, gateway),
      clientAddressHeader: config.client_address,
      earlyHints: config.early_hints,
    };
    const listen = (): Promise<Listener> => (config.protocol === 'http' ? listenHttp(options) : listenFastcgi(options));
    listeners.push(await keepListening({ address, listen, clock: systemClock, log, signal }));
    log.info({ gateway: gateway.name, listen: formatAddress(address), upstream: formatAddress(config.upstream), protocol: config.protocol }, 'listening');
  }
  return listeners;
}
