import { mostServicesOff, type Restraint } from '../channel/messages.ts';
import type { HealingState } from './state-file.ts';

/** What keeps the healer from acting now, as far as records tell it too: the same words of `goodgateway_healing_off` and its like. Pure. */
export function restraintOf({ host, services }: Pick<HealingState, 'host' | 'services'>): Restraint {
  const servicesOff = [...services].filter(([, { off }]) => off).map(([name]) => name);
  return { off: host.off !== undefined, servicesOff: servicesOff.slice(0, mostServicesOff), breakerOpen: host.breaker !== undefined };
}
