/** Repetition is an incident of its own (R28): what heals a service again and again must not hide why it breaks. */
import { formatDuration } from '../core/time.ts';
import { recordFor } from './audit-record-for.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import { notify, sayAgain } from './notices.ts';

const withinMs = 86_400_000;
const timesThatCount = 3;
/** More than any limit on attempts lets happen in a day where somebody set one. */
const mostRemembered = 200;

/** Did an act of ours end it, as far as anybody can tell? */
export function wasRepaired({ done }: Pick<OpenCase, 'done'>): boolean {
  return done.some((act) => !act.endsWith('(failed)'));
}

/** Counts a recovery by an act of ours. The third within a day is recorded and told, once a day. */
export async function noteRecovery(place: { open: OpenCase; ward: Ward; healer: Healer }): Promise<void> {
  const { open, ward, healer } = place;
  if (!wasRepaired(open)) return;
  const now = healer.clock.monotonicMs();
  const { id: incident } = open.incident;
  await healer.state.updateService(ward.name, (service) => {
    const others = service.recoveries.filter((one) => one.incident !== incident && now - one.atMs < withinMs);
    return { ...service, recoveries: [...others.slice(1 - mostRemembered), { incident, atMs: now }] };
  });
  const times = healer.state.state().services.get(ward.name)?.recoveries.length ?? 0;
  if (times < timesThatCount || (await sayAgain('repeated', withinMs, { ward, healer })) === undefined) return;
  const best = open.diagnosis?.best;
  const text = `${ward.name} was healed ${times} times within ${formatDuration(withinMs)}, the last time from ${best?.cause ?? 'an unknown cause'} by ${open.done.join(', ')}: the repair works, and what makes it necessary stays`;
  await healer.audit.append({
    ...recordFor(open, ward),
    event: 'incident.repeated',
    ...(best ? { cause: best.cause, confidence: best.confidence, remedy: best.remedy } : {}),
    text,
  });
  await notify('repeated', place, { now: `${text}.` });
}
