import type { Collector } from '../leaves.ts';
import { readCommand } from './read-command.ts';

/** The service's state as its own type tells it; of a systemd unit all that systemd knows, but for its environment. */
export const unitStatus: Collector = {
  name: 'unit_status',
  applies: ({ config }) => config.type !== 'external',
  async collect(context, signal) {
    const { target, state } = context;
    const own = JSON.stringify(state, undefined, 1);
    if (target.config.type !== 'systemd') return own;
    const shown = await readCommand(['/usr/bin/systemctl', '--no-ask-password', 'show', '--', target.config.unit], context, signal);
    return `${own}\n${shown
      .split('\n')
      .filter((line) => !/^(Environment|PassEnvironment|EnvironmentFiles|SetCredential\w*|LoadCredential\w*)=/.test(line))
      .join('\n')}`;
  },
};
