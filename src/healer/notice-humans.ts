/**
 * Who changed the run of a service? Not we, not its supervisor, not the boot, no package manager, no logrotate or
 * certbot: then a person, or a program that acts for one. Judged by facts that each of the others leaves; where there is
 * no such fact it is a person, because stepping aside is the safe side. A control panel's restart is taken for its user's.
 */
import { formatDuration } from '../core/time.ts';
import type { Healer, Look, Ward } from './healer.ts';
import type { ServiceState } from './leaves.ts';
import { bySupervisor, changeBetween, restAfter, type Change } from './notice-change.ts';
import { noteRun } from './start-period.ts';
import { actorPlaces, otherActor, type ActorPlaces } from './surroundings/other-actors.ts';

/** A daemon that was started by a script may come to rest so long after it. */
const actSlackMs = 2000;
/** The longest that a step takes by default. */
const inheritedMs = 60_000;
/** Somebody who restarts it in a loop is noted as often as that. */
const noteAgainMs = 10_000;

/** To be called with every look of the watch. Keeps what was seen, and records the act of a person. Never rejects. */
export async function noticeHumans(ward: Ward, state: ServiceState, healer: Healer, places: ActorPlaces = actorPlaces): Promise<void> {
  const look: Look = { state, atMs: healer.clock.monotonicMs() };
  const before = ward.atRest;
  ward.atRest = restAfter(before, look, ward.lastLook);
  noteRun(ward, state, healer);
  ward.lastLook = look;
  if (before === undefined || ward.atRest !== look) return;
  const change = changeBetween(before.state, state);
  if (change === undefined) return;
  const other = ownAct(ward, { sinceMs: before.atMs, healer }) ?? (await somebodyElse(before.state, state, { healer, places }));
  if (other === undefined) return record(change, { ward, state, before: before.state }, healer);
  healer.log.info({ service: ward.name, change }, `${ward.name}: ${sayChange[change]}, and not by a person: ${other}`);
}

const sayChange: Readonly<Record<Change, string>> = {
  started: 'it was started',
  stopped: 'it was stopped',
  restarted: 'it was restarted',
  reloaded: 'it read its configuration anew',
  'tried to start': 'a start of it failed',
};

/** What we did to it, or to what it depends on (systemd hands a restart on); `run` may do anything to anybody. */
function ownAct(ward: Ward, { sinceMs, healer }: { readonly sinceMs: number; readonly healer: Healer }): string | undefined {
  for (const other of [ward, ...healer.wards.values()]) {
    const act = other.lastAct;
    const concerns = other === ward || ward.policy.depends_on.includes(other.name) || act?.action === 'run';
    if (act && concerns && (act.endedMs ?? Infinity) + actSlackMs >= sinceMs) return `goodgateway did ${act.action} on ${other.name}`;
  }
  // what a healer before us began may go on without it
  const inherited = ward.lastAct === undefined && healer.state.state().attempts.some(({ service, atMs }) => service === ward.name && atMs + inheritedMs >= sinceMs);
  return inherited ? 'goodgateway acted on it before it was started anew itself' : undefined;
}

async function somebodyElse(before: ServiceState, now: ServiceState, { healer, places }: { readonly healer: Healer; readonly places: ActorPlaces }): Promise<string | undefined> {
  if (bySupervisor(before, now)) return `its supervisor restarts it by itself (${now.text})`;
  if (now.stoppedByPackage) return `the package manager stopped it (${now.text})`;
  // its starts are in its own record
  return (await healer.around?.otherHealer())?.text ?? (await otherActor(healer.clock, places));
}

async function record(change: Change, { ward, state, before }: { readonly ward: Ward; readonly state: ServiceState; readonly before: ServiceState }, healer: Healer): Promise<void> {
  const atMs = healer.clock.monotonicMs();
  const noted = healer.state.state().services.get(ward.name)?.humanActed;
  if (noted && atMs - noted.atMs < noteAgainMs) return;
  const runs = (fence: string): string => fence || 'nothing running';
  const text =
    `${sayChange[change]} (${runs(before.fence)}, then ${runs(state.fence)}; ${state.text}), and not by goodgateway, its supervisor, the boot, ` +
    `a package manager, logrotate or certbot, as far as their traces show: taken for the work of a person`;
  const said = `${ward.name}: ${text}; it is left alone for ${formatDuration(healer.safety.humans_first)}, unless it crashes`;
  healer.log.info({ service: ward.name, change }, said);
  const humanActed = { atMs, text: text.slice(0, 1000) };
  const saved = await healer.state.updateService(ward.name, (service) => ({ ...service, humanActed }));
  if (saved.kind === 'not_saved') healer.log.warn({ service: ward.name }, `that a person acted holds until the healer ends: ${saved.detail}`);
  await healer.audit.append({ event: 'human.acted', service: ward.name, ...(state.fence === '' ? {} : { fence: state.fence }), text: said });
}
