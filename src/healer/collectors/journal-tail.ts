import type { Collector } from '../leaves.ts';
import { readCommand } from './read-command.ts';

/** The unit's last 500 lines in the journal since it was last well. */
export const journalTail: Collector = {
  name: 'journal_tail',
  applies: ({ config }) => config.type === 'systemd',
  collect(context, signal) {
    const { config } = context.target;
    const unit = config.type === 'systemd' ? config.unit : '';
    const since = `@${Math.floor(context.sinceMs / 1000)}`;
    return readCommand(['/usr/bin/journalctl', '--unit', unit, '--since', since, '--lines', '500', '--output', 'short-iso', '--no-pager', '--quiet'], context, signal);
  },
};
