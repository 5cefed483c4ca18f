/** Gates that people, the calendar or the host itself have shut: healing is off, paused, or it is no time for it. */
import { formatDuration } from '../../core/time.ts';
import { limitsOf, pass, refuse, refuseFor, startsTheDead, stepTouches, harmless, until, type GateInput, type Verdict } from './gates.ts';
import type { Now, Paused, SwitchedOff } from './limits.ts';
import { openWindows } from './maintenance-windows.ts';
import type { Hindrance } from './surroundings.ts';

type PeopleInput = Pick<GateInput, 'now' | 'history'> & { readonly incident: Pick<GateInput['incident'], 'service'> };

/**
 * The word of a person that forbids every step at this very moment; `undefined` when there is none. To be asked again
 * right before the intent: a configuration test takes long enough for somebody to say "off".
 */
export function heldByPeople(input: PeopleInput): string | undefined {
  return [...offs(input), ...pauses(input)][0]?.text;
}

/** May goodgateway act at all on this host, and on this service? */
export function enabled(input: GateInput): Verdict {
  const { safety, surroundings, now } = input;
  if (!safety.enabled) return refuse('healing is switched off for this host (safety.enabled is false)');
  const off = [...offs(input), ...(surroundings.otherHealer ? [surroundings.otherHealer] : [])];
  return off.length > 0 ? refuseFor(off, now) : pass('healing is switched on');
}

function offs({ history, incident, now }: PeopleInput): readonly Hindrance[] {
  return [...switchedOff('healing of this host', history.host.off, now), ...switchedOff(`healing of ${incident.service}`, history.services.get(incident.service)?.off, now)];
}

function switchedOff(what: string, off: SwitchedOff | undefined, now: Now): readonly Hindrance[] {
  if (!off) return [];
  const since = new Date(Math.round(now.wallMs - now.monotonicMs + off.sinceMs)).toISOString();
  return [{ text: `${what} was switched off by ${off.by} at ${since} (${formatDuration(now.monotonicMs - off.sinceMs)} ago): ${off.reason}` }];
}

/** A pause stops everything, words to people too: whoever set it knows. An unfit host only keeps its hands off the service. */
export function paused(input: GateInput): Verdict {
  const held = [...pauses(input), ...(stepTouches(input) ? unfitFor(input) : [])];
  return held.length > 0 ? refuseFor(held, input.now) : pass('not paused');
}

function pauses({ history, incident, now }: PeopleInput): readonly Hindrance[] {
  return [...pauseOf('', history.services.get(incident.service)?.paused, now), ...pauseOf('the whole host is ', history.host.paused, now)];
}

function pauseOf(what: string, pause: Paused | undefined, now: Now): readonly Hindrance[] {
  if (!pause || pause.untilMs <= now.monotonicMs) return [];
  return [{ text: `${what}paused ${until(pause.untilMs, now)}: ${pause.reason}`, untilMs: pause.untilMs }];
}

/**
 * A host that just booted is busy, but what crashed on it is started all the same. On a full disk a start is no help
 * and does harm: databases replay their logs into it.
 */
function unfitFor({ actions, step, surroundings }: GateInput): readonly Hindrance[] {
  const start = startsTheDead(limitsOf(actions, step));
  return surroundings.unfit.filter(({ what }) => what === 'disk' || !start);
}

/** Is it a time at which the service is left alone? */
export function maintenance(input: GateInput): Verdict {
  const { safety, incident, step, now } = input;
  const open = openWindows(safety.maintenance, incident.service, now.wallMs);
  if (open.length === 0) return pass(safety.maintenance.length > 0 ? 'not in a maintenance window' : 'no maintenance window is configured');
  if (!stepTouches(input)) return harmless(input);
  const shut = open.filter(({ window }) => !window.allow.includes(step.action));
  const named = (shut.length > 0 ? shut : open).map(({ window, endMs }) => `"${window.name}" (${window.every} ${window.timezone}) until ${new Date(endMs).toISOString()}`).join(', ');
  if (shut.length === 0) return pass(`the maintenance window ${named} allows ${step.action}`);
  return refuse(`in the maintenance window ${named}, which does not allow ${step.action}`, Math.max(...shut.map(({ endMs }) => endMs)));
}
