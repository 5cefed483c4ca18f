/** From configuration to a ward: the service, its gateways, its addresses, and where its traffic goes now. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { GatewayConfig } from '../config/host-schema.ts';
import type { LoadedPolicy } from '../config/load-policies.ts';
import type { PolicyConfig } from '../config/policy-schema.ts';
import { formatAddress, type Address } from '../core/failure.ts';
import { DeathMemory } from './death-memory.ts';
import { Detector } from './detect.ts';
import { GatewayTraffic } from './gateway-traffic.ts';
import type { Healer, Ward, WardGateway } from './healer.ts';
import type { ServiceTarget, ServiceType } from './leaves.ts';
import { currentFile, gatewaysOf, readCurrent, targetOf, upstreamsOf } from './ward-target.ts';

export interface WardOptions {
  readonly loaded: LoadedPolicy;
  readonly gateways: Readonly<Record<string, GatewayConfig>>;
  readonly stateFolder: string;
  readonly serviceTypes: ReadonlyMap<string, ServiceType>;
  readonly order: Healer['order'];
}

/** The ward of one policy. Reads back where its traffic was sent last; `orderUpstream` tells it. */
export async function createWard({ loaded, gateways: first, stateFolder, serviceTypes, order }: WardOptions): Promise<Ward> {
  const { policy } = loaded;
  let gateways = first;
  let own = ownGateways(policy, gateways, []);
  const file = currentFile(stateFolder, policy.name);
  let current = await readCurrent(file, upstreamsOf({ policy, gateways }));
  const underPolicy = (next: LoadedPolicy): UnderPolicy => {
    const serviceType = serviceTypes.get(next.policy.service.type);
    if (!serviceType) throw new Error(`expected services of type ${next.policy.service.type} to be known`);
    let of = gateways;
    let base = targetOf({ policy: next.policy, gateways: of, stateFolder }, 0);
    // an incident keeps its policy, but not a backend that has moved
    const target = (): ServiceTarget => {
      if (of !== gateways) [of, base] = [gateways, targetOf({ policy: next.policy, gateways, stateFolder }, 0)];
      return { ...base, current };
    };
    return { ...next, serviceType, target };
  };
  const sendTo = (address: Address): void => {
    for (const { name, upstreams } of own) {
      const upstream = upstreams.findIndex((one) => formatAddress(one) === formatAddress(address));
      if (upstream >= 0) order({ type: 'use_upstream', gateway: name, upstream });
    }
  };
  let now = underPolicy(loaded);
  let detector = new Detector(policy.detect);
  const ward: Ward = {
    name: policy.name,
    get policy() {
      return now.policy;
    },
    get sha256() {
      return now.sha256;
    },
    get serviceType() {
      return now.serviceType;
    },
    get detector() {
      return detector;
    },
    adopt(next, nextGateways) {
      // what was counted stays counted, unless it is counted in another way now
      if (!isDeepStrictEqual(next.policy.detect, now.policy.detect)) detector = new Detector(next.policy.detect);
      const address = now.target().upstreams[current];
      if (nextGateways) {
        gateways = nextGateways;
        own = ownGateways(policy, gateways, own);
        ward.workers = undefined; // read, and told to the gateways, at the next look
      }
      now = underPolicy(next);
      // whoever was switched elsewhere stays there, if it is still allowed
      if (current > 0 && address) current = Math.max(0, now.target().upstreams.map(formatAddress).indexOf(formatAddress(address)));
    },
    pinned: () => pin(ward, now),
    get gateways() {
      return own;
    },
    traffic: [],
    deaths: new DeathMemory(),
    requestIds: [],
    lastGoodMs: 0,
    lookedAtMs: 0,
    confirmAgainAtMs: 0,
    connectAgainAtMs: 0,
    recoveriesMs: [],
    workers: undefined,
    lastLook: undefined,
    atRest: undefined,
    lastRun: undefined,
    lastAct: undefined,
    target: () => now.target(),
    orderUpstream() {
      const address = now.target().upstreams[current];
      if (address && current !== 0) sendTo(address);
    },
    async useUpstream(index) {
      const address = now.target().upstreams[index];
      if (!address) return;
      current = index;
      sendTo(address);
      await writeCurrent(file, formatAddress(address));
    },
  };
  return ward;
}

/** Those that lead here, with what people are shown of each; `before`: whose traffic was seen already. */
function ownGateways(policy: PolicyConfig, gateways: WardOptions['gateways'], before: readonly WardGateway[]): readonly WardGateway[] {
  return gatewaysOf({ policy, gateways }).map(([name, gateway]) => ({
    name,
    upstreams: [gateway.upstream, ...gateway.also_allowed],
    concurrency: gateway.concurrency,
    quarantineMs: gateway.quarantine.for,
    traffic: before.find((one) => one.name === name)?.traffic ?? new GatewayTraffic(),
  }));
}

/** What follows from the policy alone. */
interface UnderPolicy extends Pick<Ward, 'policy' | 'sha256' | 'serviceType' | 'target'> {}

/** Everything but what follows from the policy is the ward's own, also what is written to it. A mode that allows less counts at once. */
function pin(ward: Ward, { policy, sha256, serviceType, target }: UnderPolicy): Ward {
  const pinned = {
    get policy(): PolicyConfig {
      return isStricter(ward.policy.mode, policy.mode) ? { ...policy, mode: ward.policy.mode } : policy;
    },
    sha256,
    serviceType,
    target,
  };
  return new Proxy(ward, { get: (live, key) => Reflect.get(Object.hasOwn(pinned, key) ? pinned : live, key) });
}

type Mode = PolicyConfig['mode'];
const modes: readonly Mode[] = ['observe', 'approve', 'act'];

function isStricter(mode: Mode, than: Mode): boolean {
  return modes.indexOf(mode) < modes.indexOf(than);
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
