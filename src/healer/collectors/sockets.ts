import { formatAddress } from '../../core/failure.ts';
import { readCommand } from './read-command.ts';
import { readAllStats } from '../proc.ts';
import { listenersAt, readListeners, socketOwners } from '../socket-tables.ts';
import type { Collector } from '../leaves.ts';

/** Who listens where the service should, and the kernel's queues and counts of all sockets, where `ss` is there to tell. */
export const sockets: Collector = {
  name: 'sockets',
  applies: () => true,
  async collect(context, signal) {
    const { upstreams } = context.target;
    const stats = readAllStats();
    const found = listenersAt(upstreams, readListeners());
    const owners = await Promise.all(
      found.map(
        async ({ address, inode }) =>
          `${formatAddress(address)} (inode ${inode}): ${named(
            await socketOwners(
              [inode],
              stats.map(({ pid }) => pid),
            ),
            stats,
          )}`,
      ),
    );
    const wanted = `where it should be found: ${upstreams.map(formatAddress).join(', ') || 'nowhere'}`;
    const rest = await readCommand(['/usr/bin/ss', '--listening', '--numeric', '--tcp', '--unix', '--no-header'], context, signal).catch((error: unknown) => String(error));
    return [wanted, ...(owners.length > 0 ? owners : ['nobody listens there']), rest].join('\n');
  },
};

function named(pids: readonly number[], stats: ReturnType<typeof readAllStats>): string {
  return pids.map((pid) => `${stats.find((stat) => stat.pid === pid)?.comm ?? '?'} ${pid}`).join(', ') || 'held by nobody that can be seen';
}
