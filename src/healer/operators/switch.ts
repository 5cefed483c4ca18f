/** `off` and `on`: healing is switched off until a person switches it on, over every restart and reboot. */
import { isoOf } from '../../core/time.ts';
import type { OperatorAnswer, OperatorRequest } from '../../channel/operator-messages.ts';
import type { AuditEvent } from '../audit/record.ts';
import type { Healer } from '../healer.ts';
import { inTurn } from '../in-turn.ts';
import type { HostHistory, SwitchedOff } from '../policy/limits.ts';
import { done, permit, refused, restrain } from './answers.ts';
import { heldBy } from './held-by.ts';
import type { OperatorPlace } from './place.ts';
import { scopeOf, wakeAll, type Scope } from './scope.ts';

type Asked<Name extends OperatorRequest['ask']> = Extract<OperatorRequest, { ask: Name }>;

/** Nothing is done any more; looks, evidence and the page go on. Who switched it off first stays on record. */
export function off({ service, reason, by }: Asked<'off'>, place: OperatorPlace): Promise<OperatorAnswer> {
  const { healer } = place;
  return inTurn(healer, 'operators', async () => {
    const scope = scopeOf(service, place);
    if ('ok' in scope) return scope;
    const before = scope.restraint().off;
    if (before) return done(`Healing of ${scope.name} is switched off already, since ${isoOf(before.sinceMs, healer.clock)} by ${before.by}: ${before.reason}`);
    const switched: SwitchedOff = { sinceMs: healer.clock.monotonicMs(), reason, by };
    return restrain(
      {
        event: recordOf('healing.off', scope, { by, reason }, `healing of ${scope.name} was switched off by ${by}: ${reason}`),
        change: () => scope.restrain({ ...scope.restraint(), off: switched }),
        text: `Healing of ${scope.name} is off; what is being done is finished. To switch it on again: goodgateway on${scope.word}.`,
      },
      healer,
    );
  });
}

/** Switches healing on; for the whole host this also closes an open circuit breaker and forgets the failures that opened it. */
export function on({ service, by }: Asked<'on'>, place: OperatorPlace): Promise<OperatorAnswer> {
  const { healer, wards } = place;
  return inTurn(healer, 'operators', async () => {
    const scope = scopeOf(service, place);
    if ('ok' in scope) return scope;
    const ward = service === undefined ? undefined : wards.get(service);
    const { off: switched } = scope.restraint();
    const breaker = service === undefined && healer.state.state().host.breaker !== undefined;
    if (!switched && !breaker) return finish(`Healing of ${scope.name} was not switched off.`, place, ward?.name);
    const answer = await permitOn(scope, { by, switched, breaker }, healer);
    if (!answer.ok) return answer;
    wakeAll(scope, place);
    return finish(answer.text, place, ward?.name);
  });
}

interface On {
  readonly by: string;
  readonly switched: SwitchedOff | undefined;
  readonly breaker: boolean;
}

async function permitOn(scope: Scope, { by, switched, breaker }: On, healer: Healer): Promise<OperatorAnswer> {
  const before = healer.state.state().host;
  const closed: AuditEvent = { event: 'breaker.closed', actor: { by }, text: `the circuit breaker was closed by ${by}; the failures that opened it do not count any more` };
  const answer = await permit(
    {
      event: switched ? recordOf('healing.on', scope, { by }, `healing of ${scope.name} was switched on by ${by}`) : closed,
      change: () => (scope.service === undefined ? healer.state.updateHost(switchedOn) : scope.restrain(withoutOff(scope))),
      text: [...(switched ? [`Healing of ${scope.name} is on.`] : []), ...(breaker ? ['The circuit breaker is closed.'] : [])].join(' '),
      back: {
        event: switched
          ? recordOf('healing.off', scope, { reason: switched.reason }, `healing of ${scope.name} is still switched off: the change could not be kept`)
          : { event: 'breaker.opened', actor: 'auto', text: 'the circuit breaker is still open: the change could not be kept' },
        change: () =>
          scope.service === undefined
            ? healer.state.updateHost((host) => ({ ...host, ...(before.off ? { off: before.off } : {}), ...(before.breaker ? { breaker: before.breaker } : {}), failures: before.failures }))
            : scope.restrain({ ...scope.restraint(), ...(switched ? { off: switched } : {}) }),
      },
    },
    healer,
  );
  if (answer.ok && switched && breaker) await healer.audit.append(closed);
  return answer;
}

function switchedOn({ off: _off, breaker, failures, ...rest }: HostHistory): HostHistory {
  return { ...rest, failures: breaker ? [] : failures };
}

function withoutOff(scope: Scope): ReturnType<Scope['restraint']> {
  const { paused } = scope.restraint();
  return paused ? { paused } : {};
}

/** What the configuration switches off, no command switches on: then the answer is no. */
function finish(text: string, { healer, wards }: OperatorPlace, service: string | undefined): OperatorAnswer {
  const answered = `${text}${heldBy(service === undefined ? undefined : wards.get(service), healer)}`;
  return healer.safety.enabled ? done(answered) : refused(answered);
}

function recordOf(event: 'healing.off' | 'healing.on', { service }: Scope, { by, reason }: { readonly by?: string; readonly reason?: string }, text: string): AuditEvent {
  return { event, actor: by === undefined ? 'auto' : { by }, ...(service === undefined ? {} : { service }), ...(reason === undefined ? {} : { pause: { reason } }), text };
}
