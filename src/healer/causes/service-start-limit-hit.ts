import type { Cause } from '../leaves.ts';
import { factOf, logLine, sentences, stateOf } from './read-case.ts';

/** systemd has started it as often as it may in a time, and refuses to go on. Certain: by systemd's own properties. */
export const serviceStartLimitHit: Cause = {
  name: 'service.start_limit_hit',
  suspect(file) {
    const state = factOf(file, 'service_state');
    if (stateOf(file) !== 'failed' || !state?.flag('startLimitHit')) return undefined;
    const { name, config } = file.target;
    const unit = config.type === 'systemd' ? config.unit : name;
    return {
      cause: 'service.start_limit_hit',
      confidence: 'certain',
      subject: name,
      sentence: `${name} ended again and again${state.flag('oomKilled') ? ' for want of memory' : ''}, so that systemd does not start it any more.`,
      because: sentences(state, logLine(file, 'no_space'), logLine(file, 'bind_failed'), logLine(file, 'config_error')),
      against: [],
      remedy: `Find out why it ends (journalctl -u ${unit}); when that is cured: systemctl reset-failed ${unit} && systemctl start ${unit}`,
    };
  },
};
