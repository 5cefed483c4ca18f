/** `pause` and `resume`: actions stop for a while that ends by itself; detection, evidence and the page go on. */
import type { OperatorAnswer, OperatorRequest } from '../../channel/operator-messages.ts';
import { formatDuration, isoOf } from '../../core/time.ts';
import type { AuditEvent } from '../audit/record.ts';
import type { Healer } from '../healer.ts';
import { inTurn } from '../in-turn.ts';
import type { Paused } from '../policy/limits.ts';
import { done, permit, restrain } from './answers.ts';
import { heldBy } from './held-by.ts';
import type { OperatorPlace } from './place.ts';
import { hostScope, scopeOf, serviceScope, wakeAll, type Restraint, type Scope } from './scope.ts';

type Asked<Name extends OperatorRequest['ask']> = Extract<OperatorRequest, { ask: Name }>;

/** A pause in the place of one before it. What is being done is finished. */
export function pause({ service, forMs, reason, by }: Asked<'pause'>, place: OperatorPlace): Promise<OperatorAnswer> {
  const { healer } = place;
  return inTurn(healer, 'operators', async () => {
    const scope = scopeOf(service, place);
    if ('ok' in scope) return scope;
    const paused: Paused = { untilMs: healer.clock.monotonicMs() + forMs, reason };
    const until = isoOf(paused.untilMs, healer.clock);
    return restrain(
      {
        event: recordOf('pause.set', scope, { by, paused, healer }, `healing of ${scope.name} is paused until ${until} by ${by}: ${reason}`),
        change: () => scope.restrain({ ...scope.restraint(), paused }),
        text: `Healing of ${scope.name} is paused until ${until} (${formatDuration(forMs)}); what is being done is finished. To end it sooner: goodgateway resume${scope.word}.`,
      },
      healer,
    );
  });
}

/** Ends a pause; the open incident is looked at at once. */
export async function resume({ service, by }: Asked<'resume'>, place: OperatorPlace): Promise<OperatorAnswer> {
  const { healer, wards } = place;
  return inTurn(healer, 'operators', async () => {
    const scope = scopeOf(service, place);
    if ('ok' in scope) return scope;
    const ward = service === undefined ? undefined : wards.get(service);
    const { paused } = scope.restraint();
    if (!paused || isOver(paused, healer)) return done(`Healing of ${scope.name} is not paused.${heldBy(ward, healer)}`);
    const text = `the pause of ${scope.name} was ended by ${by}`;
    const answer = await permit(
      {
        event: recordOf('pause.ended', scope, { by, paused, healer }, text),
        change: () => scope.restrain(withoutPause(scope)),
        text: '',
        back: {
          event: recordOf('pause.set', scope, { by: undefined, paused, healer }, `${scope.name} is still paused: its end could not be kept`),
          change: () => scope.restrain({ ...scope.restraint(), paused }),
        },
      },
      healer,
    );
    if (!answer.ok) return answer;
    wakeAll(scope, place);
    return done(`The pause of ${scope.name} is ended.${heldBy(ward, healer)}`);
  });
}

const lookEveryMs = 1000;
/** A log that cannot be written is not asked every second. */
const retryMs = 60_000;

/**
 * Records each pause whose time is over, also one that ended while no healer ran, and looks again at what it held back.
 * Runs until the healer stops. A crash between the record and the memory of it records it twice, never not at all.
 */
export async function watchPauses(place: OperatorPlace): Promise<void> {
  const { healer } = place;
  while (!healer.stopping.aborted) {
    const ended = await inTurn(healer, 'operators', () => endOverduePauses(place));
    await healer.clock.sleep(ended ? lookEveryMs : retryMs, healer.stopping);
  }
}

async function endOverduePauses(place: OperatorPlace): Promise<boolean> {
  const { healer } = place;
  const scopes = [hostScope(healer), ...[...healer.state.state().services.keys()].map((name) => serviceScope(name, healer))];
  for (const scope of scopes) {
    const { paused } = scope.restraint();
    if (!paused || !isOver(paused, healer)) continue;
    const recorded = await healer.audit.append(recordOf('pause.expired', scope, { by: undefined, paused, healer }, `the pause of ${scope.name} is over: ${paused.reason}`));
    if (recorded.kind !== 'appended') return false;
    await scope.restrain(withoutPause(scope));
    wakeAll(scope, place);
  }
  return true;
}

function isOver({ untilMs }: Paused, { clock }: Healer): boolean {
  return untilMs <= clock.monotonicMs();
}

function withoutPause(scope: Scope): Restraint {
  const { off } = scope.restraint();
  return off ? { off } : {};
}

function recordOf(
  event: 'pause.set' | 'pause.ended' | 'pause.expired',
  { service }: Scope,
  { by, paused, healer }: { readonly by: string | undefined; readonly paused: Paused; readonly healer: Healer },
  text: string,
): AuditEvent {
  return {
    event,
    actor: by === undefined ? 'auto' : { by },
    ...(service === undefined ? {} : { service }),
    pause: { until: isoOf(paused.untilMs, healer.clock), reason: paused.reason },
    text,
  };
}
