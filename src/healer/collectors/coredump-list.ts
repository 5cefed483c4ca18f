import type { Collector } from '../leaves.ts';
import { readCommand } from './read-command.ts';

/** Which core dumps systemd keeps, the newest last: where they are, not what is in them. */
export const coredumpList: Collector = {
  name: 'coredump_list',
  applies: ({ config }) => config.type === 'systemd',
  collect: (context, signal) => readCommand(['/usr/bin/coredumpctl', 'list', '--no-pager', '--quiet', '-n', '20'], context, signal),
};
