/** Gates that stay shut while somebody else is at work on the service, or has decided about it: people, programs, its supervisor, what it needs. */
import { formatDuration } from '../../core/time.ts';
import { disturbs, harmless, limitsOf, pass, refuse, refuseFor, refuseUntil, startsTheDead, stepTouches, type GateInput, type Verdict } from './gates.ts';

/**
 * Nothing is done into a change, a start neither: a package manager, a deploy or a job of systemd starts the service
 * itself, and two that do so meet half way.
 */
export function changeInProgress(input: GateInput): Verdict {
  const { serviceState, surroundings, now } = input;
  const { state, text, changing } = serviceState;
  const underWay = [
    ...(state === 'starting' || state === 'stopping' ? [{ text: `the service is ${state} right now: ${text}` }] : []),
    ...(changing === undefined ? [] : [{ text: `the service is being changed: ${changing}` }]),
    ...surroundings.changes,
  ];
  if (underWay.length === 0) return pass('no change of the service is under way');
  return stepTouches(input) ? refuseFor(underWay, now) : harmless(input);
}

/**
 * What a package operation left stopped was stopped by nobody on purpose: while it lasts, the change in progress is
 * refused for; once it is over, the service is started as any other dead one.
 */
export function deliberateStop(input: GateInput): Verdict {
  const { serviceState, diagnosis } = input;
  const byPackage = serviceState.stoppedByPackage === true;
  const stopped = serviceState.state === 'stopped' && !byPackage;
  if (!stopped && diagnosis.best.cause !== 'service.stopped_by_operator')
    return pass(byPackage ? 'a package operation stopped it, which nobody meant to last' : 'the service was not stopped on purpose');
  if (!stepTouches(input)) return harmless(input);
  return refuse(`${stopped ? serviceState.text : diagnosis.best.sentence}; what was stopped on purpose is never started by goodgateway`);
}

/** Who works on the service is not interrupted; but what crashes meanwhile is started, or a typing error would keep it down. */
export function humansFirst(input: GateInput): Verdict {
  const { history, incident, safety, actions, step, now } = input;
  const acted = history.services.get(incident.service)?.humanActed;
  const quietMs = safety.humans_first;
  if (!acted) return pass('nobody was seen to act on the service');
  const agoMs = now.monotonicMs - acted.atMs;
  const seen = `${acted.text} (${formatDuration(agoMs)} ago)`;
  if (agoMs >= quietMs) return pass(`${seen}; the quiet time of ${formatDuration(quietMs)} is over`);
  if (!stepTouches(input)) return harmless(input);
  if (startsTheDead(limitsOf(actions, step))) return pass(`${seen}, which never holds up the start of a service that crashed since`);
  return refuseUntil(`${seen}; people go first for ${formatDuration(quietMs)}`, acted.atMs + quietMs, now);
}

/** Time for the supervisor's own start to show, so that two starts do not meet. */
export const supervisorGraceMs = 2000;

/** While the supervisor is about to start it, it goes first. Without such a plan (`failed`, or no Restart=) nobody is waited for. */
export function supervisorFirst(input: GateInput): Verdict {
  const { serviceState, policy, incident, now } = input;
  if (serviceState.supervisorActsInMs === undefined) return pass('no supervisor is about to act by itself');
  if (!stepTouches(input)) return harmless(input);
  const configuredMs = policy.service.defer_to_supervisor;
  const waitMs = configuredMs ?? serviceState.supervisorActsInMs + supervisorGraceMs;
  const fromMs = configuredMs === undefined ? now.wallMs : incident.openedAtMs;
  const allowedAtMs = Math.ceil(fromMs + waitMs);
  if (allowedAtMs <= now.wallMs) return pass(`the supervisor had its ${formatDuration(waitMs)}`);
  return refuse(`the supervisor restarts the service by itself in ${formatDuration(serviceState.supervisorActsInMs)}; it goes first`, allowedAtMs);
}

/**
 * While what it needs is in trouble, a living service is not disturbed: the trouble is not its own. A dead one is
 * started: that disturbs nobody, and many come up without what they need and wait for it.
 */
export function dependencyOpen({ surroundings: { dependencies }, policy, actions, step, now }: GateInput): Verdict {
  if (dependencies.length === 0) return pass(policy.depends_on.length > 0 ? `well: ${policy.depends_on.join(', ')}` : 'no dependencies are configured');
  const names = dependencies.map(({ service }) => service).join(', ');
  const action = limitsOf(actions, step);
  if (disturbs(action)) return refuseFor(dependencies, now);
  return pass(startsTheDead(action) ? `${names}: in trouble, which never holds up the start of a dead service` : `${names}: in trouble; ${step.action} does not disturb the service`);
}
