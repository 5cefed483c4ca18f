/**
 * All gateways of this proxy and the doors that lead to them. A changed configuration is prepared first: everything that
 * can fail is read, checked and opened beside what serves. Then all of it takes its place at one moment, or nothing does.
 */
import { isDeepStrictEqual } from 'node:util';
import { isInherited, isTaken } from '../channel/inherited-sockets.ts';
import { permitSocket } from '../channel/listen-on.ts';
import type { GatewayConfig, HostConfig } from '../config/host-schema.ts';
import type { Path } from '../config/problem.ts';
import { formatAddress, type Address } from '../core/failure.ts';
import { systemClock } from '../core/time.ts';
import { createGateway, readGatewayParts, type ChangeableGateway, type GatewayParts, type GatewayPlace } from './create-gateway.ts';
import { openDoor, type Door, type DoorLog } from './door.ts';
import type { Gateway } from './gateway.ts';
import { whyOutOfReach } from './out-of-reach.ts';

/** What is wrong, and with which key. */
export interface GatewayProblem {
  readonly path: Path;
  readonly message: string;
}

export interface PreparedGateways {
  /** The names of gateways that are new, changed or gone, each with the word for it. */
  readonly changes: readonly string[];
  /** Cannot fail. */
  commit(): void;
  /** What was opened for it is closed again. */
  abandon(): Promise<void>;
}

export type Preparation = { readonly ok: true; readonly prepared: PreparedGateways } | { readonly ok: false; readonly problems: readonly GatewayProblem[] };

/** Requests under way at a door that was removed may take so long. */
const drainMs = 3_600_000;
/** What a request takes that came just before nobody was accepted any more. */
const lastOnesMs = 1000;
const atOnce = AbortSignal.abort();

/** One gateway of the next configuration: one that serves already, or one that was built for it. */
interface Planned {
  readonly parts: GatewayParts;
  readonly gateway: ChangeableGateway;
}

/** What a preparation has done so far, and how it is undone. */
interface Draft {
  readonly planned: Planned[];
  readonly doors: Map<string, Door>;
  readonly behind: Map<Door, Gateway>;
  readonly undo: (() => unknown)[];
  readonly problems: GatewayProblem[];
}

export interface TablePlace extends GatewayPlace {
  readonly log: DoorLog;
}

export class GatewayTable {
  readonly #gateways = new Map<string, ChangeableGateway>();
  #doors: ReadonlyMap<string, Door> = new Map();
  readonly #place: TablePlace;
  /** Opened for a draft that was abandoned, on sockets of systemd's: closed they could not be opened again. */
  readonly #spare = new Map<string, Door>();
  /** Doors that were removed, until their last answer. */
  readonly #closing = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(place: TablePlace) {
    this.#place = place;
  }

  /** Those that serve now; the same map for ever. */
  get gateways(): ReadonlyMap<string, Gateway> {
    return this.#gateways;
  }

  /** Why visitors cannot reach one of the doors; `undefined` when they can reach all. */
  whyDeaf(): string | undefined {
    return [...this.#doors.values()].map((door) => door.whyDeaf()).find((why) => why !== undefined);
  }

  /** `pages: 'any'`: a page of the administrator's that is not right is told and left out; else it is a problem. One at a time. */
  async prepare(next: HostConfig['gateways'], pages: 'any' | 'right'): Promise<Preparation> {
    const draft: Draft = { planned: [], doors: new Map(), behind: new Map(), undo: [], problems: [] };
    for (const [name, config] of Object.entries(next)) await this.#plan(name, config, draft);
    if (pages === 'right') for (const { parts } of draft.planned) for (const message of parts.pages.leftOut) draft.problems.push({ path: ['gateways', parts.name, 'fallback', 'folder'], message });
    for (const [key, { address }] of this.#doors) {
      if (draft.doors.has(key) || !isTaken(address)) continue;
      draft.problems.push({
        path: ['gateways'],
        message: `${key} cannot be left: systemd listens there, too, and whoever connects would wait in vain; goodgateway units --write, and what it says, ends that`,
      });
    }
    const abandon = async (): Promise<void> => {
      for (const undo of draft.undo.toReversed()) await undo();
    };
    if (draft.problems.length === 0) return { ok: true, prepared: { changes: this.#changes(next), commit: () => this.#commit(draft), abandon } };
    await abandon();
    return { ok: false, problems: draft.problems };
  }

  /** Serves on, but every connection ends with its answer: until those that are open now have ended, or the abort. */
  async drain(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#doors.values()].map((door) => door.drain(signal)));
  }

  async close(deadline: AbortSignal): Promise<void> {
    if (deadline.aborted) this.#stop.abort();
    else deadline.addEventListener('abort', () => this.#stop.abort(), { once: true });
    const closed = Promise.all([...[...this.#doors.values(), ...this.#spare.values()].map((door) => door.close(deadline)), ...this.#closing]);
    // the last that came are requests like others; who waits for a backend still is then told to come back
    await Promise.race([closed, systemClock.sleep(lastOnesMs, deadline)]);
    for (const { gate } of this.#gateways.values()) gate.stop();
    for (const { connections } of this.#gateways.values()) connections.close();
    await closed;
  }

  async #plan(name: string, config: GatewayConfig, draft: Draft): Promise<void> {
    const own = (key: string): Path => ['gateways', name, key];
    const parts = await readGatewayParts(name, config, this.#place).catch((error: Error) => void draft.problems.push({ path: own('tls'), message: error.message }));
    if (!parts) return;
    const before = this.#gateways.get(name);
    // what waits in one protocol cannot be sent in another
    const gateway = before?.config.protocol === config.protocol ? before : createGateway(parts, this.#place);
    draft.planned.push({ parts, gateway });
    for (const [index, address] of config.listen.entries()) {
      const wrong = await this.#planDoor(address, { parts, gateway }, draft);
      if (wrong !== undefined) draft.problems.push({ path: [...own('listen'), index], message: wrong });
    }
  }

  /** The door that stands, or one that is opened beside it; or why there can be none. */
  async #planDoor(address: Address, { parts: { name, config }, gateway }: Planned, draft: Draft): Promise<string | undefined> {
    const key = formatAddress(address);
    const standing = this.#doors.get(key) ?? this.#spare.get(key);
    if (standing && standing.protocol !== config.protocol)
      return `gateways.${name}: ${key} speaks ${standing.protocol}, and a socket that stays cannot change that: give ${config.protocol} another address, so that nginx can go over to it`;
    try {
      const isOtherwise = standing && address.kind === 'unix' && !isDeepStrictEqual(standing.permissions, config.socket);
      if (isOtherwise) draft.undo.push(permitSocket(address.path, config.socket));
      const outOfReach = standing || isInherited(address) ? undefined : whyOutOfReach(address);
      if (outOfReach !== undefined) return outOfReach;
      const door = standing ?? (await this.#open(address, { gateway, config }, draft));
      draft.doors.set(key, door);
      draft.behind.set(door, gateway);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #open(address: Address, { gateway, config }: { readonly gateway: Gateway; readonly config: GatewayConfig }, draft: Draft): Promise<Door> {
    // a gateway that serves still has its old configuration
    const door = await openDoor({ address, protocol: config.protocol, permissions: config.socket, gateway }, this.#place.log);
    draft.undo.push(() => (isTaken(address) ? this.#keepShut(door) : door.close(atOnce)));
    return door;
  }

  /** Whoever comes is told to come back, where the gateway behind it serves nobody. */
  #keepShut(door: Door): void {
    this.#spare.set(formatAddress(door.address), door);
    if (this.#gateways.get(door.gateway.name) !== door.gateway) door.gateway.gate.stop();
  }

  #changes(next: HostConfig['gateways']): readonly string[] {
    const names = Object.entries(next).flatMap(([name, config]) => {
      const before = this.#gateways.get(name);
      if (!before) return [`${name} (new)`];
      return isDeepStrictEqual(before.config, config) ? [] : [name];
    });
    return [...names, ...[...this.#gateways.keys()].filter((name) => !Object.hasOwn(next, name)).map((name) => `${name} (removed)`)];
  }

  #commit({ planned, doors, behind }: Draft): void {
    const before = [...this.#gateways.values()];
    this.#gateways.clear();
    for (const { parts, gateway } of planned) {
      gateway.adopt(parts);
      this.#gateways.set(parts.name, gateway);
    }
    for (const [door, gateway] of behind) {
      door.gateway = gateway;
      door.permissions = gateway.config.socket;
    }
    for (const key of doors.keys()) this.#spare.delete(key);
    const removed = [...this.#doors].filter(([key]) => !doors.has(key));
    this.#doors = doors;
    for (const [, door] of removed) this.#drain(door);
    for (const gateway of before) {
      if (this.#gateways.get(gateway.name) === gateway) continue;
      gateway.gate.stop();
      gateway.connections.close();
    }
  }

  #drain(door: Door): void {
    const closed = door.close(AbortSignal.any([this.#stop.signal, AbortSignal.timeout(drainMs)])).finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
    this.#place.log.info({ listen: formatAddress(door.address) }, 'not listening any more; requests under way are finished');
  }
}
