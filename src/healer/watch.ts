/**
 * The healer's own look at every service, so that it needs no traffic to notice: the state as often as the policy
 * says, the address less often. It reports what it sees; whether that is an incident's business is decided elsewhere.
 */
import { connectProbe } from '../upstream/probe.ts';
import type { Healer, Ward } from './healer.ts';
import type { Incidents } from './incidents.ts';
import { limitGateways } from './limit-gateways.ts';
import { noticeHumans } from './notice-humans.ts';
import { isWarmingUp } from './start-period.ts';
import { symptomOfState } from './state-symptom.ts';

const oneLookMs = 5000;
const connectMs = 1000;
/** A changed pm.max_children is noticed with the next start, or after so long: a reload shows in nothing that is looked at. */
const limitEveryMs = 60_000;
/** One failed connect may be a restart's gap; two in a row are not. */
const failedConnectsThatCount = 2;

/** Watches one service until the healer stops, or has no such ward any more. */
export async function watchService(ward: Ward, incidents: Incidents, healer: Healer): Promise<void> {
  let before = '';
  let nextConnectMs = healer.clock.monotonicMs();
  let nextLimitMs = -Infinity;
  let failedConnects = 0;
  const isWatched = (): boolean => !healer.stopping.aborted && healer.wards.get(ward.name) === ward;
  while (isWatched()) {
    ward.lookedAtMs = healer.clock.monotonicMs();
    const state = await ward.serviceType.state(ward.target(), healer.run, AbortSignal.any([healer.stopping, AbortSignal.timeout(oneLookMs)]));
    if (!isWatched()) return;
    await noticeHumans(ward, state, healer);
    const changed = before !== `${state.state} ${state.fence}`;
    if (before !== '' && changed) incidents.wake(ward);
    if (changed || healer.clock.monotonicMs() >= nextLimitMs) {
      nextLimitMs = healer.clock.monotonicMs() + limitEveryMs;
      limitGateways(ward, healer, state.mainPid);
    }
    // somebody's restart passes through "stopped": it counts when it is seen twice
    const passing = state.state === 'stopped' && !before.startsWith('stopped');
    before = `${state.state} ${state.fence}`;
    const symptom = passing ? undefined : symptomOfState(state);
    if (symptom) incidents.seen(ward, symptom);
    else if (await isWarmingUp(ward, healer)) failedConnects = 0;
    else if (healer.clock.monotonicMs() >= nextConnectMs) {
      nextConnectMs = healer.clock.monotonicMs() + ward.policy.watch.connect_every;
      failedConnects = (await connects(ward, healer)) ? 0 : failedConnects + 1;
      if (!isWatched()) return;
      if (failedConnects >= failedConnectsThatCount)
        incidents.seen(ward, { seenBy: 'watch', kind: 'unanswered_probe', count: failedConnects, text: `${ward.name} did not take ${failedConnects} connections in a row` });
      else if (failedConnects === 0 && !incidents.openFor(ward.name)) ward.lastGoodMs = healer.clock.wallMs();
    }
    await healer.clock.sleep(ward.policy.watch.every, healer.stopping);
  }
}

async function connects(ward: Ward, healer: Healer): Promise<boolean> {
  const { upstreams, current } = ward.target();
  const address = upstreams[current];
  return address === undefined || (await connectProbe(address, connectMs, { signal: healer.stopping })) === undefined;
}
