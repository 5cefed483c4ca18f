import type { Incident } from '../core/incident.ts';
import type { Healer } from './healer.ts';

/** Ends an incident whose service no policy looks after any more. What became of it is not known. */
export async function closeAbandoned({ id, service }: Pick<Incident, 'id' | 'service'>, healer: Healer): Promise<void> {
  // closed in the log before it is forgotten: who dies between the two writes it twice rather than never
  await healer.audit.append({ event: 'incident.closed', incident: id, service, outcome: { result: 'unknown' }, text: `no policy looks after ${service} any more` });
  await healer.state.closeIncident(id);
}
