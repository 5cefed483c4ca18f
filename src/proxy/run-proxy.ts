/** Puts the proxy process together: gateways, listeners, the link to the healer, the admin listener. */
import { join } from 'node:path';
import { inheritedInVain } from '../channel/inherited-sockets.ts';
import type { HostConfig } from '../config/host-schema.ts';
import { systemClock } from '../core/time.ts';
import { openAccessLog } from './access-log.ts';
import { listenAdmin, type AdminServer } from './admin/admin-server.ts';
import { HealingCounts } from './admin/healing-counts.ts';
import { renderMetrics } from './admin/metrics.ts';
import { readProcessFigures } from './admin/process-figures.ts';
import { readBuiltIn } from './fallback/load-pages.ts';
import type { Gateway } from './gateway.ts';
import { GatewayTable } from './gateway-table.ts';
import { createHealerLink } from './healer-link.ts';
import type { HostSource } from './host-source.ts';
import { createGatewayReload } from './reload-gateways.ts';

export interface ProxyLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RunningProxy {
  readonly gateways: ReadonlyMap<string, Gateway>;
  /** After its file was moved. Whether there is an access record at all; never rejects. */
  reopenAccessLog(): Promise<boolean>;
  /** Reads the gateways again, where no healer is there to decide that. Whether it was for the proxy to do; never rejects. */
  reload(): Promise<boolean>;
  /** Answers under way may finish until the signal aborts; new requests are served while the first of them do. */
  close(deadline: AbortSignal): Promise<void>;
}

/** Of the time for a stop: answers that take longer hold nobody else up. */
const servedOnMs = 5000;

/** The same for a host that stands in no file and is never read again. */
export function runProxy(host: HostConfig, product: string, log: ProxyLog): Promise<RunningProxy> {
  const nowhere = { ok: false, problems: ['this proxy was started without a file'] } as const;
  return runProxyOf({ first: { host, sha256: '0'.repeat(64) }, read: () => Promise.resolve(nowhere) }, product, log);
}

/** Starts everything that the file asks for; rejects with a sentence when a listener cannot stand. */
export async function runProxyOf(source: HostSource, product: string, log: ProxyLog): Promise<RunningProxy> {
  const { host } = source.first;
  const stop = new AbortController();
  let stopping = false;
  let admin: AdminServer | undefined;
  const healing = new HealingCounts();
  const onRecord = (line: string): void => {
    healing.take(line);
    admin?.record(line);
  };
  const link = createHealerLink({ path: join(host.runtime, 'healer.sock'), product, clock: systemClock, onRecord, onRestraint: (restraint) => healing.stands(restraint), log });
  const builtIn = await readBuiltIn((message) => log.warn({}, message));
  const accessLog = host.access_log && openAccessLog(host.access_log, log);
  const table = new GatewayTable({ tell: link.tell, log, requestLog: accessLog ?? log, builtIn });
  const first = await table.prepare(host.gateways, 'any');
  if (!first.ok) throw new Error(first.problems.map(({ message }) => message)[0]);
  first.prepared.commit();
  const { gateways } = table;
  if (host.admin) {
    const whyNotReady = (): string | undefined => (stopping ? 'the proxy is stopping' : table.whyDeaf());
    const metrics = (): string => renderMetrics({ product, gateways, healerConnected: link.connected(), healing, accessLinesDropped: accessLog?.dropped, process: readProcessFigures() });
    admin = await listenAdmin({ config: host.admin, product, gateways, healerConnected: link.connected, ask: link.ask, whyNotReady, metrics }, log);
  }
  for (const address of inheritedInVain())
    log.warn({ address }, 'systemd listens there for goodgateway, but no gateway does: whoever connects waits in vain. Cure: goodgateway units --write, and what it says');
  const reload = createGatewayReload({ table, source, log });
  void link.run({ gateways, reload }, stop.signal);
  return {
    gateways,
    reopenAccessLog: async () => {
      await accessLog?.reopen();
      return accessLog !== undefined;
    },
    reload: async () => {
      if (link.connected()) return false;
      await reload.alone();
      return true;
    },
    close: async (deadline) => {
      stopping = true;
      // served on meanwhile: whoever comes then waits for the next proxy's start, and not for the slowest answer of this one
      const servedOn = AbortSignal.any([deadline, AbortSignal.timeout(servedOnMs)]);
      await table.drain(servedOn);
      stop.abort();
      await table.close(deadline);
      // last: until here it says that the proxy is stopping
      await admin?.close(deadline);
      await accessLog?.close();
    },
  };
}
