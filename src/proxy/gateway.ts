/** One gateway: its name, its backend's protocol, its gate, and what it knows of its traffic. Built once at start. */
import type { GatewayConfig } from '../config/host-schema.ts';
import type { Clock } from '../core/time.ts';
import type { UpstreamProtocol } from '../upstream/exchange.ts';
import type { Gate } from './gate.ts';
import type { ByteBudget } from './kept-body.ts';
import type { PassiveHealth } from './passive-health.ts';
import type { Quarantine } from './quarantine.ts';
import type { RequestLog } from './request-log.ts';

export interface Gateway {
  readonly name: string;
  readonly config: GatewayConfig;
  readonly protocol: UpstreamProtocol;
  readonly gate: Gate;
  readonly health: PassiveHealth;
  readonly quarantine: Quarantine;
  readonly log: RequestLog;
  /** Room for the bodies that may have to be sent again: hold.memory, for all requests together. */
  readonly keptBytes: ByteBudget;
  readonly clock: Clock;
}
