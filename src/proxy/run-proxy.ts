/** Puts the proxy process together: gateways, listeners, the link to the healer, the admin listener. */
import { join } from 'node:path';
import { inheritedInVain } from '../channel/inherited-sockets.ts';
import type { HostConfig } from '../config/host-schema.ts';
import { formatAddress } from '../core/failure.ts';
import { systemClock } from '../core/time.ts';
import { backendTls } from '../upstream/backend-tls.ts';
import { ConnectionPool } from '../upstream/connection-pool.ts';
import { connectProbe } from '../upstream/probe.ts';
import * as protocols from '../upstream/protocols.ts';
import { openAccessLog, type AccessLog } from './access-log.ts';
import { listenAdmin, type AdminServer } from './admin/admin-server.ts';
import { HealingCounts } from './admin/healing-counts.ts';
import { renderMetrics } from './admin/metrics.ts';
import { readProcessFigures } from './admin/process-figures.ts';
import { loadPages, readBuiltIn, type BuiltInPages } from './fallback/load-pages.ts';
import { listenFastcgi } from './fastcgi-listener.ts';
import { Gate } from './gate.ts';
import type { Gateway } from './gateway.ts';
import type { Listener } from './gateway-request.ts';
import { handleRequest } from './handle-request.ts';
import { byteBudget } from './kept-body.ts';
import { createHealerLink, type HealerLink } from './healer-link.ts';
import { listenHttp } from './http-listener.ts';
import { keepListening, type KeptListener } from './keep-listening.ts';
import { PassiveHealth } from './passive-health.ts';
import { poolLimits } from './pool-limits.ts';
import { Quarantine } from './quarantine.ts';
import { watchForRecovery } from './recovery-watch.ts';
import { RequestCounts } from './request-counts.ts';
import { Shedding } from './shedding.ts';

export interface ProxyLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RunningProxy {
  readonly gateways: ReadonlyMap<string, Gateway>;
  /** After its file was moved. Whether there is an access record at all; never rejects. */
  reopenAccessLog(): Promise<boolean>;
  /** Answers under way may finish until the signal aborts; new requests are served while the first of them do. */
  close(deadline: AbortSignal): Promise<void>;
}

/** Of the time for a stop: answers that take longer hold nobody else up. */
const servedOnMs = 5000;

/** What a request takes that came just before nobody was accepted any more. */
const lastOnesMs = 1000;

/** Starts everything that the file asks for; rejects with a sentence when a listener cannot stand. */
export async function runProxy(host: HostConfig, product: string, log: ProxyLog): Promise<RunningProxy> {
  const stop = new AbortController();
  let stopping = false;
  let admin: AdminServer | undefined;
  const healing = new HealingCounts();
  const onRecord = (line: string): void => {
    healing.take(line);
    admin?.record(line);
  };
  const link = createHealerLink({ path: join(host.runtime, 'healer.sock'), product, clock: systemClock, onRecord, log });
  const builtIn = await readBuiltIn((message) => log.warn({}, message));
  const accessLog = host.access_log && openAccessLog(host.access_log, log);
  const gateways = new Map<string, Gateway>();
  for (const [name, config] of Object.entries(host.gateways)) gateways.set(name, await createGateway({ name, config, link, log, accessLog, builtIn }));
  const listeners: KeptListener[] = [];
  for (const gateway of gateways.values()) listeners.push(...(await listenFor(gateway, { log, signal: stop.signal })));
  if (host.admin) {
    const whyNotReady = (): string | undefined => (stopping ? 'the proxy is stopping' : listeners.map((listener) => listener.whyDeaf()).find((why) => why !== undefined));
    const metrics = (): string => renderMetrics({ product, gateways, healerConnected: link.connected(), healing, accessLinesDropped: accessLog?.dropped, process: readProcessFigures() });
    admin = await listenAdmin({ config: host.admin, product, gateways, healerConnected: link.connected, ask: link.ask, whyNotReady, metrics }, log);
  }
  for (const address of inheritedInVain())
    log.warn({ address }, 'systemd listens there for goodgateway, but no gateway does: whoever connects waits in vain. Cure: goodgateway units --write, and what it says');
  void link.run(gateways, stop.signal);
  return {
    gateways,
    reopenAccessLog: async () => {
      await accessLog?.reopen();
      return accessLog !== undefined;
    },
    close: async (deadline) => {
      stopping = true;
      // served on meanwhile: whoever comes then waits for the next proxy's start, and not for the slowest answer of this one
      const servedOn = AbortSignal.any([deadline, AbortSignal.timeout(servedOnMs)]);
      await Promise.all(listeners.map((listener) => listener.drain(servedOn)));
      stop.abort();
      const closed = Promise.all(listeners.map((listener) => listener.close(deadline)));
      // the last that came are requests like others; who waits for a backend still is then told to come back
      await Promise.race([closed, systemClock.sleep(lastOnesMs, deadline)]);
      for (const { gate } of gateways.values()) gate.stop();
      for (const { connections } of gateways.values()) connections.close();
      await closed;
      // last: until here it says that the proxy is stopping
      await admin?.close(deadline);
      await accessLog?.close();
    },
  };
}

interface Parts {
  readonly name: string;
  readonly config: HostConfig['gateways'][string];
  readonly link: HealerLink;
  readonly log: ProxyLog;
  readonly accessLog: AccessLog | undefined;
  readonly builtIn: BuiltInPages;
}

async function createGateway({ name, config, link, log, accessLog, builtIn }: Parts): Promise<Gateway> {
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
    counts: new RequestCounts(),
    quarantine: new Quarantine(name, systemClock, link.tell),
    shedding: new Shedding({ gateway: name, hold: config.hold, clock: systemClock, log }),
    log: accessLog ?? log,
    pages,
    keptBytes: byteBudget(config.hold.memory),
    putOff: { count: 0 },
    clock: systemClock,
  };
}

async function listenFor(gateway: Gateway, { log, signal }: { log: ProxyLog; signal: AbortSignal }): Promise<KeptListener[]> {
  const { config } = gateway;
  const listeners: KeptListener[] = [];
  for (const address of config.listen) {
    const options = {
      address,
      socket: config.socket,
      handle: (request: Parameters<typeof handleRequest>[0]) => handleRequest(request, gateway),
      clientAddressHeader: config.client_address?.toLowerCase(),
      earlyHints: config.early_hints,
    };
    const listen = (): Promise<Listener> => (config.protocol === 'http' ? listenHttp(options) : listenFastcgi(options));
    listeners.push(await keepListening({ address, listen, clock: systemClock, log, signal }));
    log.info({ gateway: gateway.name, listen: formatAddress(address), upstream: formatAddress(config.upstream), protocol: config.protocol }, 'listening');
  }
  return listeners;
}
