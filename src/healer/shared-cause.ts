/**
 * Whether many services are in trouble together. It begins when enough of them began to fail within a short time; it
 * lasts while enough of those are still in trouble, and a while longer. It is kept with the memory of the host, so a
 * restart of the healer neither ends it early nor tells people twice.
 */
import { formatDuration } from '../core/time.ts';
import type { Healer } from './healer.ts';
import { failingTogether, markDependents, type Dependencies } from './policy/failing-together.ts';
import type { Opening, SharedCause } from './policy/limits.ts';
import type { Hindrance } from './policy/surroundings.ts';
import { tell } from './tell.ts';

/** Why nothing must be disturbed now; `undefined` while services fail one by one, if at all. */
export function sharedCause(healer: Healer): Hindrance | undefined {
  const known = healer.state.state().host.sharedCause;
  if (known?.calmSinceMs !== undefined) return { text: `${known.reason}; they are no longer in trouble together`, untilMs: known.calmSinceMs + healer.safety.shared_cause.over_after };
  // It is over when the watch says so, and not before: until then nobody knows how long it takes.
  if (known) return { text: known.reason };
  const together = troubledTogether(healer);
  return together.length > 0 ? { text: sentence(together, healer) } : undefined;
}

const lookEveryMs = 1000;

/** Records the beginning and the end, each once, and tells people of the beginning. Runs until the healer stops. */
export async function watchSharedCause(healer: Healer): Promise<void> {
  while (!healer.stopping.aborted) {
    await look(healer);
    await healer.clock.sleep(lookEveryMs, healer.stopping);
  }
}

async function look(healer: Healer): Promise<void> {
  const openings = openingsOf(healer);
  if (!isSame(openings, healer.state.state().host.openings ?? [])) await healer.state.updateHost((host) => ({ ...host, openings }));
  const now = healer.clock.monotonicMs();
  const together = troubledTogether(healer);
  const known = healer.state.state().host.sharedCause;
  if (!known) return together.length > 0 ? begin(together, healer) : undefined;
  const { calmSinceMs, ...troubled } = known;
  if (together.length > 0) {
    if (calmSinceMs !== undefined) await healer.state.updateHost((host) => ({ ...host, sharedCause: troubled }));
  } else if (calmSinceMs === undefined) await healer.state.updateHost((host) => ({ ...host, sharedCause: { ...troubled, calmSinceMs: now } }));
  else if (now >= calmSinceMs + healer.safety.shared_cause.over_after) await end(known, healer);
}

async function begin(together: readonly string[], healer: Healer): Promise<void> {
  const reason = sentence(together, healer);
  await healer.state.updateHost((host) => ({ ...host, sharedCause: { openedAtMs: healer.clock.monotonicMs(), reason } }));
  const meaning = 'nothing is disturbed until that is over, dead services are still started';
  await healer.audit.append({ event: 'shared_cause.opened', actor: 'auto', text: `${reason}; ${meaning}` });
  const wards = together.flatMap((name) => healer.wards.get(name) ?? []);
  const receivers = [...new Set(wards.flatMap((ward) => ward.policy.notify.to))];
  if (wards[0]) await tell(`${reason}; ${meaning}. Look for what they share: a disk, the network, memory, a deploy.`, { ward: wards[0], healer, event: 'shared_cause.opened' }, receivers);
}

async function end(known: SharedCause, healer: Healer): Promise<void> {
  await healer.state.updateHost(({ sharedCause: _over, ...host }) => host);
  await healer.audit.append({ event: 'shared_cause.closed', actor: 'auto', text: `over after ${formatDuration(healer.clock.monotonicMs() - known.openedAtMs)}: ${known.reason}` });
}

/** The names that a sentence can carry; the incidents themselves are on record. */
const namesShown = 10;

function sentence(together: readonly string[], { wards, safety }: Healer): string {
  const more = together.length > namesShown ? ` and ${together.length - namesShown} more` : '';
  return `${together.length} of ${wards.size} services began to fail within ${formatDuration(safety.shared_cause.within)} (${together.slice(0, namesShown).join(', ')}${more}), which is one cause`;
}

function troubledTogether(healer: Healer): readonly string[] {
  return failingTogether(openingsOf(healer), dependenciesOf(healer), healer.safety.shared_cause);
}

function dependenciesOf({ wards }: Healer): Dependencies {
  return new Map([...wards].map(([name, ward]) => [name, ward.policy.depends_on]));
}

/** The last opening of every service that is in trouble now, or that began to be within the window. */
function openingsOf(healer: Healer): readonly Opening[] {
  const { state, clock, safety, wards } = healer;
  const { incidents, host } = state.state();
  const now = clock.monotonicMs();
  const aheadMs = clock.wallMs() - now;
  const known = host.openings ?? [];
  const open = incidents
    .filter(({ service }) => wards.has(service))
    // What is known keeps its monotonic time: a jump of the wall clock must not move it.
    .map(({ id, service, openedAtMs }) => known.find(({ incident }) => incident === id) ?? { service, incident: id, atMs: Math.min(now, openedAtMs - aheadMs) });
  const lately = known.filter(({ service, atMs }) => now - atMs < safety.shared_cause.within && wards.has(service) && !open.some((one) => one.service === service));
  return markDependents([...lately, ...open], dependenciesOf(healer));
}

function isSame(some: readonly Opening[], others: readonly Opening[]): boolean {
  return some.length === others.length && some.every(({ incident, dependent }) => others.some((other) => other.incident === incident && other.dependent === dependent));
}
