/** From configuration to a ward: the service, its gateways, its addresses, and where its traffic goes now. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GatewayConfig } from '../config/host-schema.ts';
import type { LoadedPolicy } from '../config/load-policies.ts';
import { formatAddress, type Address } from '../core/failure.ts';
import { backendTls, type BackendTls } from '../upstream/backend-tls.ts';
import { DeathMemory } from './death-memory.ts';
import { Detector } from './detect.ts';
import type { Healer, Ward, WardGateway } from './healer.ts';
import type { ServiceTarget, ServiceType } from './leaves.ts';

export interface WardOptions {
  readonly loaded: LoadedPolicy;
  readonly gateways: Readonly<Record<string, GatewayConfig>>;
  readonly stateFolder: string;
  readonly serviceTypes: ReadonlyMap<string, ServiceType>;
  readonly order: Healer['order'];
}

/** The ward of one policy. Reads back where its traffic was sent last. */
export async function createWard({ loaded, gateways, stateFolder, serviceTypes, order }: WardOptions): Promise<Ward> {
  const { policy, sha256 } = loaded;
  const config = policy.service;
  const serviceType = serviceTypes.get(config.type);
  if (!serviceType) throw new Error(`expected services of type ${config.type} to be known`);
  const own = Object.entries(gateways).filter(([, gateway]) => gateway.service === policy.name);
  const wardGateways = own.map(([name, gateway]): WardGateway => ({
    name,
    upstreams: [gateway.upstream, ...gateway.also_allowed],
    concurrency: gateway.concurrency,
    quarantineMs: gateway.quarantine.for,
  }));
  const upstreams = distinct([...wardGateways.flatMap((gateway) => gateway.upstreams), ...(own.length === 0 ? (config.listen ?? []) : [])]);
  const file = join(stateFolder, `${policy.name}.upstream.json`);
  const tls = tlsByAddress(own.map(([, gateway]) => gateway));
  let current = await readCurrent(file, upstreams);
  const ward: Ward = {
    name: policy.name,
    policy,
    sha256,
    serviceType,
    gateways: wardGateways,
    detector: new Detector(policy.detect),
    traffic: [],
    deaths: new DeathMemory(),
    requestIds: [],
    lastGoodMs: 0,
    confirmAgainAtMs: 0,
    connectAgainAtMs: 0,
    recoveriesMs: [],
    workers: undefined,
    lastLook: undefined,
    atRest: undefined,
    lastRun: undefined,
    lastAct: undefined,
    target: (): ServiceTarget => ({ name: policy.name, config, upstreams, current, protocol: own[0]?.[1].protocol, tls, stateFolder }),
    async useUpstream(index) {
      const address = upstreams[index];
      if (!address) return;
      current = index;
      for (const gateway of wardGateways) {
        const upstream = gateway.upstreams.findIndex((one) => formatAddress(one) === formatAddress(address));
        if (upstream >= 0) order({ type: 'use_upstream', gateway: gateway.name, upstream });
      }
      await writeCurrent(file, formatAddress(address));
    },
  };
  if (current !== 0) await ward.useUpstream(current);
  return ward;
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

async function readCurrent(file: string, upstreams: readonly Address[]): Promise<number> {
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

async function writeCurrent(file: string, address: string): Promise<void> {
  try {
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(`${file}.new`, JSON.stringify(address));
    await rename(`${file}.new`, file);
  } catch {
    // best effort: after a restart the healer would find the moved service once more and switch again
  }
}
