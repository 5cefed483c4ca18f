/**
 * Workers that outlived their master and still hold the service's listening socket. A new master then refuses to start
 * (php-fpm 8.2: "Another FPM instance seems to already listen on …", exit status 70), so they have to go first.
 */
import type { ServiceState, ServiceTarget } from './leaves.ts';
import { isAlive, readAllStats, readStat, type ProcessStat } from './proc.ts';
import { listenersAt, readListeners, socketOwners } from './socket-tables.ts';

export interface Orphans {
  /** Descend from the service's dead master, or are left in its cgroup, and hold its socket. */
  readonly orphans: readonly ProcessStat[];
  /** Pids that hold the socket and are not proven to be the service's: another program's. Never ended. */
  readonly strangers: readonly number[];
}

/**
 * Who holds the service's listening sockets although its main process is gone. Kinship is proven, not guessed: a
 * daemon's workers stay in the session or process group of the dead master, whose number the kernel keeps so long.
 * A service whose main process lives, or whose last main process is not known, has no orphans by this reading.
 */
export async function findOrphans(target: ServiceTarget, state: ServiceState): Promise<Orphans> {
  const orphans = await findOrphanKin(target, state);
  const own = new Set([...orphanKin(state), ...state.pids]);
  const others = readAllStats().filter((stat) => isAlive(stat) && !own.has(stat.pid));
  return {
    orphans,
    strangers: await socketOwners(
      inodesOf(target),
      others.map((stat) => stat.pid),
    ),
  };
}

/** The orphans alone: only the few processes that may be some are looked at, which is quick on a busy machine, too. */
export async function findOrphanKin(target: ServiceTarget, state: ServiceState): Promise<readonly ProcessStat[]> {
  const holders = await socketOwners(inodesOf(target), [...orphanKin(state)]);
  return holders.map(readStat).filter((stat) => isAlive(stat));
}

function inodesOf(target: ServiceTarget): readonly string[] {
  return listenersAt(listenAddresses(target), readListeners()).map((listener) => listener.inode);
}

/** Where the service itself listens: as configured, else its own upstream and the one in use. Not every place that a switch may lead to: those can be another service's. */
export function listenAddresses(target: ServiceTarget): ServiceTarget['upstreams'] {
  if (target.config.listen) return target.config.listen;
  return target.upstreams.filter((_, index) => index === 0 || index === target.current);
}

/** The state has them already, without those that a plain user's pidfile may not speak for. */
function orphanKin(state: ServiceState): ReadonlySet<number> {
  return new Set(state.mainPid !== undefined && isAlive(readStat(state.mainPid)) ? [] : state.pids);
}
