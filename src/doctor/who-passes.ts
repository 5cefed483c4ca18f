/** Which places of nginx lead to a gateway, and which to a backend itself. */
import type { GatewayConfig } from '../config/host-schema.ts';
import type { Address } from '../core/failure.ts';
import type { DoctorContext } from './check.ts';
import type { Pass } from './nginx/passes.ts';
import type { Pool } from './pools.ts';

export interface GatewayPass {
  readonly name: string;
  readonly gateway: GatewayConfig;
  readonly pass: Pass;
}

/** Every `fastcgi_pass` and `proxy_pass` that leads to a gateway, first server or backup. */
export function gatewayPasses({ nginx, configuration }: DoctorContext): readonly GatewayPass[] {
  const gateways = Object.entries(configuration?.host.gateways ?? {});
  return (nginx?.passes ?? []).flatMap((pass) =>
    gateways.filter(([, gateway]) => gateway.listen.some((listen) => pass.addresses.some((address) => isSame(address, listen)))).map(([name, gateway]) => ({ name, gateway, pass })),
  );
}

/** The places that lead to this pool without a gateway between. */
export function directPasses(context: DoctorContext, pool: Pool): readonly Pass[] {
  const through = new Set(gatewayPasses(context).map(({ pass }) => pass));
  return (context.nginx?.passes ?? []).filter((pass) => !through.has(pass) && pass.addresses.some((address) => isSame(address, pool.listen)));
}

/** The pool that a gateway leads to. */
export function poolAt(context: DoctorContext, address: Address): Pool | undefined {
  return context.pools.find((pool) => isSame(address, pool.listen));
}

/** Do both spellings lead to one place? /var/run is a link to /run on every current system; a pool may listen on all addresses. */
export function isSame(a: Address, b: Address): boolean {
  if (a.kind === 'unix' || b.kind === 'unix') return a.kind === 'unix' && b.kind === 'unix' && plainPath(a.path) === plainPath(b.path);
  const isAny = (host: string): boolean => ['0.0.0.0', '::'].includes(host);
  return a.port === b.port && (plainHost(a.host) === plainHost(b.host) || (isAny(a.host) && isLoopback(b.host)) || (isAny(b.host) && isLoopback(a.host)));
}

/** An address of this machine by its spelling. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function plainHost(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host;
}

function plainPath(path: string): string {
  return path.replace(/^\/var\/run\//, '/run/');
}
