/** One distinct backend that nginx passes to: what becomes a gateway. */
import type { GatewayConfig } from '../config/host-schema.ts';
import type { Address } from '../core/failure.ts';
import type { Pass } from '../doctor/nginx/passes.ts';
import { isSame } from '../doctor/who-passes.ts';
import type { FoundApache, FoundPool } from './machine.ts';

/** What listens at the backend's address, as far as it is known. */
export type Behind =
  | { readonly kind: 'php'; readonly found: FoundPool }
  | { readonly kind: 'apache'; readonly apache: FoundApache }
  | { readonly kind: 'unit'; readonly unit: string }
  /** Nothing that could be controlled; `why` is said to the administrator. */
  | { readonly kind: 'elsewhere'; readonly why: string };

export interface Backend {
  /** The gateway's name. */
  readonly name: string;
  /** The policy's name: one for each service, so pools of one php-fpm share theirs. */
  readonly service: string;
  readonly protocol: 'fastcgi' | 'http';
  readonly address: Address;
  readonly behind: Behind;
  /** Places of nginx that lead to it directly, and can be changed. */
  readonly passes: readonly Pass[];
  /** The places that lead to it through its gateway already. */
  readonly passedAlready: readonly Pass[];
  /** The longest time that nginx waits for it today, in ms. */
  readonly readTimeoutMs: number;
}

/** Whether a gateway leads to this backend, in the way that nginx does. */
export function leadsTo({ protocol, upstream, tls }: GatewayConfig, backend: Pick<Backend, 'protocol' | 'address'>): boolean {
  return protocol === backend.protocol && tls === undefined && isSame(upstream, backend.address);
}

/** A place of nginx that is not changed, and what a person can do about it. */
export interface LeftAlone {
  /** `FILE:LINE` */
  readonly place: string;
  readonly what: string;
  readonly why: string;
  readonly instead: string;
}
