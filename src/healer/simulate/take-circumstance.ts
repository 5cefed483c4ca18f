import type { HostHistory } from '../policy/limits.ts';
import type { SimulatedEvent } from './events.ts';
import { around, changeService, type World } from './world.ts';

/** What people and supervisors did, as far as the limits know it. */
export function takeCircumstance(world: World, event: Exclude<SimulatedEvent, { kind: 'trouble' | 'well' }>): void {
  switch (event.kind) {
    case 'changing': {
      const known = around(world, event.service);
      if (event.text === undefined) delete known.changing;
      else known.changing = event.text;
      return;
    }
    case 'supervisor':
      around(world, event.service).supervisorUntilMs = event.untilMs;
      return;
    case 'human':
      return changeService(world, event.service, (service) => ({ ...service, humanActed: { atMs: event.atMs, text: event.text } }));
    case 'paused':
      return setLimits(world, event.service, ({ off }) => ({ ...(off ? { off } : {}), paused: { untilMs: event.untilMs, reason: event.reason } }));
    case 'resumed':
      return setLimits(world, event.service, ({ off }) => (off ? { off } : {}));
    case 'off':
      return setLimits(world, event.service, ({ paused }) => ({ ...(paused ? { paused } : {}), off: { sinceMs: event.atMs, reason: event.reason, by: event.by } }));
    case 'on':
      return setLimits(world, event.service, ({ paused }) => (paused ? { paused } : {}));
  }
}

type SetByPeople = Pick<HostHistory, 'off' | 'paused'>;

/** Of one service, or without one of the whole host. */
function setLimits(world: World, service: string | undefined, next: (before: SetByPeople) => SetByPeople): void {
  if (service !== undefined) return changeService(world, service, ({ off: _off, paused: _paused, ...rest }) => ({ ...rest, ...next(world.history.services.get(service) ?? {}) }));
  const { off: _off, paused: _paused, ...rest } = world.history.host;
  world.history = { ...world.history, host: { ...rest, ...next(world.history.host) } };
}
