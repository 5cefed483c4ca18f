/** From a policy and its gateways to the service as plug-ins see it: how it is controlled, where it is reached. Only reads. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GatewayConfig } from '../config/host-schema.ts';
import type { PolicyConfig } from '../config/policy-schema.ts';
import { formatAddress, type Address } from '../core/failure.ts';
import { backendTls, type BackendTls } from '../upstream/backend-tls.ts';
import type { ServiceTarget } from './leaves.ts';

export interface TargetOptions {
  readonly policy: PolicyConfig;
  readonly gateways: Readonly<Record<string, GatewayConfig>>;
  readonly stateFolder: string;
}

/** The gateways that lead to this policy's service, by their names. */
export function gatewaysOf({ policy, gateways }: Pick<TargetOptions, 'policy' | 'gateways'>): readonly (readonly [string, GatewayConfig])[] {
  return Object.entries(gateways).filter(([, gateway]) => gateway.service === policy.name);
}

/** The target, when its gateways are at the `current`-th of its upstreams. */
export function targetOf(options: TargetOptions, current: number): ServiceTarget {
  const { policy, stateFolder } = options;
  const own = gatewaysOf(options).map(([, gateway]) => gateway);
  const patience = own.length === 0 ? {} : { responseTimeoutMs: Math.max(...own.map(({ timeouts }) => timeouts.response)) };
  return { name: policy.name, config: policy.service, upstreams: upstreamsOf(options), current, protocol: own[0]?.protocol, tls: tlsByAddress(own), ...patience, stateFolder };
}

/** Where its gateways may look for it; without a gateway, where the policy says that it listens. */
export function upstreamsOf(options: Pick<TargetOptions, 'policy' | 'gateways'>): readonly Address[] {
  const own = gatewaysOf(options);
  return distinct([...own.flatMap(([, { upstream, also_allowed: others }]) => [upstream, ...others]), ...(own.length === 0 ? (options.policy.service.listen ?? []) : [])]);
}

/** All its addresses as one text: another one means that it has moved. */
export function addressesOf(ward: { target(): ServiceTarget }): string {
  return ward.target().upstreams.map(formatAddress).join(' ');
}

/** Where the healer remembers to which upstream it switched. */
export function currentFile(stateFolder: string, service: string): string {
  return join(stateFolder, `${service}.upstream.json`);
}

/** Which upstream is in use, as it was remembered last. */
export async function readCurrent(file: string, upstreams: readonly Address[]): Promise<number> {
  try {
    const found: unknown = JSON.parse(await readFile(file, 'utf8'));
    return Math.max(
      0,
      upstreams.findIndex((address) => formatAddress(address) === found),
    );
  } catch {
    // best effort: none was ever switched, or the file was lost; the configured upstream is the right one then
    return 0;
  }
}

function tlsByAddress(gateways: readonly GatewayConfig[]): ReadonlyMap<string, BackendTls> {
  return new Map(
    gateways.flatMap((gateway) => {
      const tls = gateway.tls && backendTls(gateway.tls);
      return tls ? [gateway.upstream, ...gateway.also_allowed].map((address) => [formatAddress(address), tls] as const) : [];
    }),
  );
}

function distinct(addresses: readonly Address[]): readonly Address[] {
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()];
}
