/**
 * Workers that outlived their master and still hold its listening socket, so that a new one cannot bind it:
 * evidence `orphans`. Only looked for when the service is not running; a deliberate stop is left alone.
 */
import { formatAddress } from '../../core/failure.ts';
import type { Probe, ServiceState } from '../leaves.ts';
import { isAlive, listenersAt, readAllStats, readListeners, startedAtMs, type ProcessStat } from '../proc.ts';
import { isLocal, readHolders } from './read-sockets.ts';

/** The service is looked at every second, the boot time is known to the second, and a pool may just have grown. */
const slackMs = 5000;

/** Applies where goodgateway can control the service and knows where it listens. */
export const orphans: Probe = {
  name: 'orphans',
  deadlineMs: 150,
  quick: true,
  applies: (target) => target.config.type !== 'external' && target.upstreams.some(isLocal),
  async look({ target, run, serviceType, lastGoodMs }, signal) {
    const state = await serviceType.state(target, run, signal);
    if (state.state !== 'failed') return [];
    const rows = listenersAt(target.upstreams.filter(isLocal), readListeners());
    if (rows.length === 0) return [];
    const all = readAllStats();
    const holders = await readHolders(new Set(rows.map((row) => row.inode)), all.map((row) => row.pid), signal);
    const holding = new Set([...holders.values()].flat());
    const held = all.filter((row) => holding.has(row.pid));
    const found = held.filter((row) => isOrphan(row, { held, state, lastGoodMs }));
    if (found.length === 0) return [];
    const pids = found.map((row) => String(row.pid));
    const address = rows.map((row) => formatAddress(row.address)).join(', ');
    return [{ kind: 'orphans', source: '/proc', text: `${found[0]!.comm} (pid ${pids.join(', ')}) still holds ${address}, but its master process is gone.`, facts: { pids, address, program: found[0]!.comm } }];
  },
};

interface Kin {
  readonly held: readonly ProcessStat[];
  readonly state: ServiceState;
  readonly lastGoodMs: number;
}

/**
 * A program that somebody started by hand on the same address is none: it leads its own process group, or it is
 * a master with workers of its own (or one of those), or it is younger than the last time the service was well.
 */
function isOrphan(row: ProcessStat, { held, state, lastGoodMs }: Kin): boolean {
  if (row.pid === state.mainPid || row.group === row.pid || !isAlive(row)) return false;
  if (held.some((other) => other.parent === row.pid || other.pid === row.parent)) return false;
  return lastGoodMs === 0 || startedAtMs(row) < lastGoodMs + slackMs;
}
