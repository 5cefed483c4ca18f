import type { Symptom } from '../core/incident.ts';
import type { ServiceState } from './leaves.ts';

/** A service that is failed, frozen or stopped is worth an incident; one that starts or stops right now is not yet. */
export function symptomOfState({ state, text }: Pick<ServiceState, 'state' | 'text'>): Symptom | undefined {
  switch (state) {
    case 'failed':
    case 'stopped':
      return { seenBy: 'watch', kind: 'service_down', count: 1, text };
    case 'frozen':
      return { seenBy: 'watch', kind: 'service_frozen', count: 1, text };
    case 'running':
    case 'starting':
    case 'stopping':
    case 'unknown':
      return undefined;
  }
}
