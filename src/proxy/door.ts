/**
 * One address at which visitors arrive, and the gateway behind it. The socket outlives the configuration that it was
 * opened for: with another gateway behind it, or another configuration of that gateway, no connection is refused.
 */
import { formatAddress, type Address } from '../core/failure.ts';
import { systemClock } from '../core/time.ts';
import type { SocketPermissions } from '../channel/listen-on.ts';
import { listenFastcgi } from './fastcgi-listener.ts';
import type { Gateway } from './gateway.ts';
import type { GatewayRequest, Listener } from './gateway-request.ts';
import { handleRequest } from './handle-request.ts';
import { listenHttp } from './http-listener.ts';
import { keepListening } from './keep-listening.ts';

export interface Door extends Listener {
  readonly address: Address;
  readonly protocol: 'http' | 'fastcgi';
  /** Whose requests they are from the next one on. */
  gateway: Gateway;
  /** As they are now, for a unix socket that has to be made again. */
  permissions: SocketPermissions;
  /** Why nobody can reach it at the moment; `undefined` when it listens. */
  whyDeaf(): string | undefined;
}

export interface DoorLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Opens it. Rejects with a sentence when it cannot listen. */
export async function openDoor(planned: Pick<Door, 'address' | 'protocol' | 'gateway' | 'permissions'>, log: DoorLog): Promise<Door> {
  const shut = new AbortController();
  const { address, protocol } = planned;
  const door = { ...planned };
  const options = {
    address,
    get socket() {
      return door.permissions;
    },
    handle: (request: GatewayRequest) => handleRequest(request, door.gateway),
    get clientAddressHeader() {
      return door.gateway.config.client_address?.toLowerCase();
    },
    get earlyHints() {
      return door.gateway.config.early_hints;
    },
  };
  const listen = (): Promise<Listener> => (protocol === 'http' ? listenHttp(options) : listenFastcgi(options));
  const { whyDeaf, drain, close } = await keepListening({ address, listen, clock: systemClock, log, signal: shut.signal });
  log.info({ gateway: door.gateway.name, listen: formatAddress(address), protocol }, 'listening');
  return Object.assign(door, {
    whyDeaf,
    drain,
    close: (deadline: AbortSignal) => {
      shut.abort();
      return close(deadline);
    },
  });
}
