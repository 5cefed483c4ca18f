import type { OperatorAnswer, OperatorRequest } from '../../channel/operator-messages.ts';
import { formatDuration } from '../../core/time.ts';
import type { Healer, Ward } from '../healer.ts';
import { inTurn } from '../in-turn.ts';
import { assumedAttempts, useOfWindow, type GaveUp } from '../policy/limits.ts';
import { mayStillAllow } from '../questions.ts';
import type { OpenIncident } from '../state-file.ts';
import type { SaveResult } from '../state-store.ts';
import { done, permit } from './answers.ts';
import { heldBy } from './held-by.ts';
import type { OperatorPlace } from './place.ts';
import { findWard } from './scope.ts';

/**
 * A person has taken note that a service was given up: the rules of its open incident begin anew. Attempts that were
 * made still count: the limit on them is the one that nobody talks away, and `do` is there for who wants an act now.
 */
export async function acknowledge({ service, by }: Extract<OperatorRequest, { ask: 'ack' }>, place: OperatorPlace): Promise<OperatorAnswer> {
  const { healer, incidents } = place;
  return inTurn(healer, 'operators', async () => {
    const ward = findWard(service, place);
    if ('ok' in ward) return ward;
    const { gaveUp } = healer.state.state().services.get(service) ?? {};
    const stuck = stuckIncident(service, healer);
    const incident = stuck?.id ?? gaveUp?.incident;
    if (!gaveUp && !stuck) return done(`${service} was not given up: there is nothing to acknowledge.${heldBy(ward, healer)}`);
    const answer = await permit(
      {
        event: {
          event: 'incident.acknowledged',
          actor: { by },
          service,
          ...(incident === undefined ? {} : { incident }),
          text: `${by} has taken note${gaveUp ? ` that ${service} was given up (${gaveUp.reason})` : ''}: it may be tried again`,
        },
        change: () => forget(service, healer),
        text: `${service} may be repaired again; its rules begin anew.${nextAttempt(ward, healer)}`,
        back: {
          event: { event: 'incident.gave_up', service, ...(incident === undefined ? {} : { incident }), text: `${service} is still given up: the change could not be kept` },
          change: () => remember(service, { gaveUp, incident: stuck }, healer),
        },
      },
      healer,
    );
    if (!answer.ok) return answer;
    const open = incidents.openFor(service);
    if (open) {
      // who is needed once more is told once more
      open.told = false;
      open.said.clear();
      open.wake();
    }
    return done(`${answer.text}${heldBy(ward, healer)}`);
  });
}

/** Its rules were climbed, or a person said no to one of their steps. */
function stuckIncident(service: string, healer: Healer): OpenIncident | undefined {
  const open = healer.state.state().incidents.find((incident) => incident.service === service);
  const gaveUp = healer.state.state().services.get(service)?.gaveUp !== undefined;
  return open && (gaveUp || open.approvals.some(({ verdict, over }) => verdict === 'denied' || verdict === 'expired' || over === 'void')) ? open : undefined;
}

/** Both changes are in one write. A question that waits for its answer stays. */
async function forget(service: string, { state }: Healer): Promise<SaveResult> {
  const open = state.state().incidents.find((incident) => incident.service === service);
  const saves = [state.updateService(service, ({ gaveUp: _gaveUp, ...rest }) => rest)];
  if (open) saves.push(state.updateIncident(open.id, (known) => ({ ...known, ladder: [], approvals: known.approvals.filter(mayStillAllow) })));
  return worst(await Promise.all(saves));
}

async function remember(service: string, { gaveUp, incident }: { readonly gaveUp: GaveUp | undefined; readonly incident: OpenIncident | undefined }, { state }: Healer): Promise<SaveResult> {
  const saves = [state.updateService(service, (known) => ({ ...known, ...(gaveUp ? { gaveUp } : {}) }))];
  if (incident) saves.push(state.updateIncident(incident.id, (known) => ({ ...known, ladder: incident.ladder, approvals: incident.approvals })));
  return worst(await Promise.all(saves));
}

function worst(saves: readonly SaveResult[]): SaveResult {
  return saves.find(({ kind }) => kind === 'not_saved') ?? { kind: 'saved' };
}

function nextAttempt({ name, policy }: Ward, { state, clock }: Healer): string {
  const history = state.state();
  const { times, within } = policy.limits.max_attempts;
  const own = history.attempts.filter((attempt) => attempt.service === name).map(({ atMs }) => atMs);
  const { used, freeAtMs } = useOfWindow([...own, ...assumedAttempts(history, times)], { times, withinMs: within }, clock.monotonicMs());
  if (used < times || freeAtMs === undefined) return '';
  return ` ${used} of ${times} attempts within ${formatDuration(within)} are used, so the next one is made in ${formatDuration(freeAtMs - clock.monotonicMs())}; to act now: goodgateway do ${name} ACTION --reason …`;
}
