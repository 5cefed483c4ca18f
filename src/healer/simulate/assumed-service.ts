/** What a service looks like when nothing is known of it but the cause of its trouble. */
import type { CauseName, Confidence, Diagnosis } from '../../core/diagnosis.ts';
import type { ServiceState } from '../leaves.ts';

const states: Readonly<Partial<Record<CauseName, ServiceState['state']>>> = {
  'service.crashed': 'failed',
  'service.start_limit_hit': 'failed',
  'service.orphaned_workers': 'failed',
  'oom.killed': 'failed',
  'config.invalid': 'failed',
  'service.stopped_by_operator': 'stopped',
  'service.starting': 'starting',
};

/** The state that goes with the cause, or the one that is said. One run for ever: nobody else restarts it. */
export function assumedState(cause: CauseName, said?: ServiceState['state']): ServiceState {
  const state = said ?? states[cause] ?? 'running';
  return {
    state,
    text: `it is ${state}, as the cause ${cause} says`,
    pids: [],
    fence: state === 'failed' || state === 'stopped' ? '' : 'simulated',
    ...(cause === 'oom.killed' ? { oomKilled: true } : {}),
    ...(cause === 'service.start_limit_hit' ? { startLimitHit: true } : {}),
  };
}

/** A diagnosis of nothing but this cause. */
export function assumedDiagnosis(service: string, cause: CauseName, confidence: Confidence): Diagnosis {
  const best = { cause, confidence, subject: service, sentence: `${service}: ${cause}, as it is assumed.`, because: [], against: [], remedy: '' };
  return { best, others: [], evidence: [] };
}
