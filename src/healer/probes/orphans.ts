/**
 * Workers that outlived their master and still hold its listening socket, so that a new one cannot bind it:
 * evidence `orphans`. Only looked for when the service has failed; a deliberate stop is left alone.
 */
import { formatAddress } from '../../core/failure.ts';
import { findOrphanKin, listenAddresses } from '../find-orphans.ts';
import type { Probe } from '../leaves.ts';

/** Applies where goodgateway can control the service. What counts as an orphan is what the action would end. */
export const orphans: Probe = {
  name: 'orphans',
  deadlineMs: 150,
  quick: true,
  applies: (target) => target.config.type !== 'external' && target.upstreams.length > 0,
  async look({ target, run, serviceType }, signal) {
    const state = await serviceType.state(target, run, signal);
    if (state.state !== 'failed') return [];
    const found = await findOrphanKin(target, state);
    if (found.length === 0) return [];
    const pids = found.map((row) => String(row.pid));
    const address = listenAddresses(target).map(formatAddress).join(', ');
    const text = `${found[0]!.comm} (pid ${pids.join(', ')}) still holds ${address}, but its master process is gone.`;
    return [{ kind: 'orphans', source: '/proc', text, facts: { pids, address, program: found[0]!.comm } }];
  },
};
