import type { Diagnosis } from '../core/diagnosis.ts';
import type { Healer, OpenCase } from './healer.ts';

/**
 * A service that goodgateway itself stopped in this incident (the action `stop`) looks like one that an operator
 * stopped, and is left alone like that. But the record, the message and the page must say who it was.
 */
export function withOwnStop(diagnosis: Diagnosis, { incident }: OpenCase, healer: Healer): Diagnosis {
  const { best } = diagnosis;
  const last = healer.state.state().attempts.findLast((attempt) => attempt.service === incident.service);
  if (best.cause !== 'service.stopped_by_operator' || last?.action !== 'stop' || last.incident !== incident.id) return diagnosis;
  const sentence = `${incident.service} was stopped by goodgateway itself, as its policy says, and stays so until a person starts it.`;
  return { ...diagnosis, best: { ...best, sentence } };
}
