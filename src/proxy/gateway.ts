/** One gateway: its name, its backend's protocol, its gate, and what it knows of its traffic. Built once at start. */
import type { GatewayConfig } from '../config/host-schema.ts';
import type { Clock } from '../core/time.ts';
import type { BackendTls } from '../upstream/backend-tls.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import type { UpstreamProtocol } from '../upstream/exchange.ts';
import type { FallbackPages } from './fallback/load-pages.ts';
import type { Gate } from './gate.ts';
import type { ByteBudget } from './kept-body.ts';
import type { PassiveHealth } from './passive-health.ts';
import type { Quarantine } from './quarantine.ts';
import type { RequestCounts } from './request-counts.ts';
import type { RequestLog } from './request-log.ts';
import type { Shedding } from './shedding.ts';

export interface Gateway {
  readonly name: string;
  readonly config: GatewayConfig;
  readonly protocol: UpstreamProtocol;
  /** Set where its backend speaks TLS. */
  readonly tls: BackendTls | undefined;
  /** Kept connections to its backend. */
  readonly connections: ConnectionPool;
  readonly gate: Gate;
  readonly health: PassiveHealth;
  readonly counts: RequestCounts;
  readonly quarantine: Quarantine;
  readonly shedding: Shedding;
  /** Where the lines of its requests go. */
  readonly log: RequestLog;
  /** What visitors read, in every language, when there is no answer to pass on. */
  readonly pages: FallbackPages;
  /** Room for the bodies that may have to be sent again: hold.memory, for all requests together. */
  readonly keptBytes: ByteBudget;
  /** Requests that wait to ask again after an answer that was set aside; no more than may wait at the gate. */
  readonly putOff: { count: number };
  readonly clock: Clock;
}
