import type { Probe } from '../leaves.ts';

/** What the service's supervisor, pidfile or process table says: evidence `service_state`. Applies to every service. */
export const serviceState: Probe = {
  name: 'service-state',
  deadlineMs: 150,
  quick: true,
  applies: () => true,
  async look({ target, run, serviceType }, signal) {
    const state = await serviceType.state(target, run, signal);
    return [
      {
        kind: 'service_state',
        source: target.config.type,
        text: /[.!?]$/.test(state.text) ? state.text : `${state.text}.`,
        facts: {
          state: state.state,
          pids: state.pids.map(String),
          ...(state.mainPid === undefined ? {} : { mainPid: state.mainPid }),
          ...(state.exitCode === undefined ? {} : { exitCode: state.exitCode }),
          ...(state.exitSignal === undefined ? {} : { exitSignal: state.exitSignal }),
          ...(state.supervisorActsInMs === undefined ? {} : { supervisorActsInMs: state.supervisorActsInMs }),
          ...(state.oomKilled ? { oomKilled: true } : {}),
          ...(state.startLimitHit ? { startLimitHit: true } : {}),
          ...(state.startsLeft === undefined ? {} : { startsLeft: state.startsLeft }),
          ...(state.changing === undefined ? {} : { changing: state.changing }),
          ...(state.stoppedByPackage ? { stoppedByPackage: true } : {}),
        },
      },
    ];
  },
};
