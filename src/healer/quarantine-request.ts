import { formatDuration } from '../core/time.ts';
import { recordFor } from './audit-record-for.ts';
import type { KnownRequest } from './death-memory.ts';
import type { Healer, Ward } from './healer.ts';
import type { Incidents } from './incidents.ts';
import { sayOnce } from './say-once.ts';
import { tell } from './tell.ts';

interface Convicted {
  readonly request: KnownRequest;
  readonly strikes: number;
  /** Where it was seen. */
  readonly gateway: string;
}

/**
 * Opens an incident for it (or adds to the open one), puts it on record, and orders every gateway of the service to send
 * it no more. What cannot be recorded is not ordered: visitors are refused only where it can be read why.
 */
export async function quarantineRequest({ request, strikes, gateway }: Convicted, { ward, incidents, healer }: { ward: Ward; incidents: Incidents; healer: Healer }): Promise<void> {
  const careful = ward.gateways.filter(({ quarantineMs }) => quarantineMs > 0);
  const forMs = Math.max(...careful.map(({ quarantineMs }) => quarantineMs));
  incidents.seen(ward, { seenBy: 'traffic', kind: 'worker_died', gateway, count: strikes, text: `${request.name} ended its worker ${strikes} times` });
  const open = incidents.openFor(ward.name);
  if (!open) return;
  ward.deaths.quarantine(request, { incident: open.incident.id, forMs }, healer.clock.monotonicMs());
  const text = `${request.name} is answered by the page for ${formatDuration(forMs)}, and not sent to ${ward.name}; every other request is`;
  const recorded = await healer.audit.append({ ...recordFor(open, ward), event: 'request.quarantined', cause: 'app.poison_request', confidence: 'certain', text });
  if (recorded.kind !== 'appended') {
    ward.deaths.release(request.fingerprint);
    // as long as nothing can be recorded, it goes on ending its workers: people are told of that once
    if (!sayOnce(open, 'a quarantine could not be recorded', healer)) return;
    return tell(`${ward.name}: ${request.name} ends its workers and is sent all the same, because a quarantine could not be recorded: ${recorded.detail}`, {
      ward,
      healer,
      open,
      event: 'incident.page',
    });
  }
  open.done.push(`quarantine of ${request.name}`);
  for (const { name, quarantineMs } of careful) healer.order({ type: 'quarantine', gateway: name, incident: open.incident.id, fingerprint: request.fingerprint, forMs: quarantineMs });
}
