/** What a pause or a switch is about: one service, or the whole host. */
import { didYouMean } from '../../config/did-you-mean.ts';
import type { OperatorAnswer } from '../../channel/operator-messages.ts';
import type { Healer, Ward } from '../healer.ts';
import type { Paused, SwitchedOff } from '../policy/limits.ts';
import type { SaveResult } from '../state-store.ts';
import { refused } from './answers.ts';
import type { OperatorPlace } from './place.ts';

export interface Restraint {
  readonly off?: SwitchedOff;
  readonly paused?: Paused;
}

export interface Scope {
  /** `undefined`: the whole host. */
  readonly service: string | undefined;
  /** As it is said: `php-fpm`, `this host`. */
  readonly name: string;
  /** What is typed after a command: ` php-fpm`, or nothing. */
  readonly word: string;
  restraint(): Restraint;
  restrain(next: Restraint): Promise<SaveResult>;
}

/** The scope of a request, or the answer that there is no such service. */
export function scopeOf(service: string | undefined, place: OperatorPlace): Scope | OperatorAnswer {
  if (service === undefined) return hostScope(place.healer);
  const ward = findWard(service, place);
  return 'ok' in ward ? ward : serviceScope(service, place.healer);
}

export function hostScope({ state }: Healer): Scope {
  return {
    service: undefined,
    name: 'this host',
    word: '',
    restraint: () => onlyRestraint(state.state().host),
    restrain: (next) => state.updateHost(({ off: _off, paused: _paused, ...rest }) => ({ ...rest, ...next })),
  };
}

/** Of a service that is remembered, whether or not a policy looks after it today. */
export function serviceScope(service: string, { state }: Healer): Scope {
  return {
    service,
    name: service,
    word: ` ${service}`,
    restraint: () => onlyRestraint(state.state().services.get(service) ?? {}),
    restrain: (next) => state.updateService(service, ({ off: _off, paused: _paused, ...rest }) => ({ ...rest, ...next })),
  };
}

/** Without what else is remembered: it goes on changing while an answer is prepared. */
function onlyRestraint({ off, paused }: Restraint): Restraint {
  return { ...(off ? { off } : {}), ...(paused ? { paused } : {}) };
}

/** The service of that name, or the answer that names those that exist. */
export function findWard(service: string, { wards }: OperatorPlace): Ward | OperatorAnswer {
  const ward = wards.get(service);
  if (ward) return ward;
  const names = [...wards.keys()];
  const meant = didYouMean(service, names);
  return refused(`there is no service ${JSON.stringify(service)}${meant === undefined ? '' : `; did you mean ${meant}?`} Services of this host: ${names.join(', ') || 'none'}`);
}

/** Looks again now at the service, or at every one. */
export function wakeAll({ service }: Scope, { wards, incidents }: OperatorPlace): void {
  for (const ward of wards.values()) if (service === undefined || ward.name === service) incidents.wake(ward);
}
