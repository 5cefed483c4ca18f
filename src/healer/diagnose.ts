import { confidences, type CauseName, type Diagnosis, type Evidence, type Suspect } from '../core/diagnosis.ts';
import { whatHarms } from '../core/harmful-remedies.ts';
import { ownLineSuspects } from './causes/read-votes.ts';
import type { CaseFile, Cause } from './leaves.ts';

/**
 * Among equally sure suspects the one that says more, or that makes the others' remedy useless, comes first:
 * what people and supervisors do goes before what happened by itself; what would make a start fail goes before the
 * crash that asks for one; what a service needs goes before its own being busy or slow for want of it; what workers wait
 * for goes before there being none left; "busy" goes before "hung", because to wait is harmless and to restart is not.
 */
const precedence: readonly CauseName[] = [
  'change.in_progress',
  'service.stopped_by_operator',
  'service.starting',
  'config.invalid',
  'data.corrupt',
  'disk.full',
  'service.orphaned_workers',
  'net.port_taken',
  'net.port_moved',
  'config.permission',
  'config.socket_mismatch',
  'net.port_blocked',
  'service.start_limit_hit',
  'oom.killed',
  'service.crashed',
  'config.dns',
  'config.credentials',
  'capacity.connections_exhausted',
  'dependency.database',
  'dependency.cache',
  'dependency.other',
  'limit.tenant',
  'capacity.file_descriptors',
  'capacity.ports_exhausted',
  'load.memory',
  'load.io',
  'load.cpu',
  'load.network',
  'app.slow',
  'capacity.workers_exhausted',
  'service.hung',
  'capacity.backlog_full',
  'app.poison_request',
  'app.segfault',
  'config.tls',
  'config.buffer_size',
  'config.timeout',
  'config.per_ip_limit',
  'app.bad_response',
  'app.error',
];

/**
 * All suspects, by confidence, then by precedence, then by name; `unknown` is last, and alone when nothing else is.
 * Behind it, so that nothing is ever done for them, are those that only an administrator's own log lines name. Pure.
 */
export function diagnose(file: CaseFile, causes: readonly Cause[]): Diagnosis {
  const suspects = causes
    .map((cause) => cause.suspect(file))
    .filter((suspect) => suspect !== undefined)
    .toSorted(byWeight);
  const [best, ...others] = suspects;
  if (!best) throw new Error('expected the cause "unknown" among the causes: it always suspects');
  const told = ownLineSuspects(file).filter(({ cause }) => !suspects.some((one) => one.cause === cause));
  return { best, others: [...others, ...told], evidence: file.evidence };
}

/** What makes it worse: what this suspect says, and what is known of its cause. One sentence each. */
export function avoidOf({ cause, avoid = [] }: Suspect): readonly string[] {
  const known = whatHarms(cause);
  return known === undefined ? avoid : [known, ...avoid];
}

/** What was changed shortly before the trouble: named beside the cause, as it is often what brought it about. */
export function changesIn(evidence: readonly Evidence[]): readonly string[] {
  return evidence.filter(({ kind, missing }) => kind === 'recent_change' && missing === undefined).map(({ text }) => text);
}

function byWeight(one: Suspect, other: Suspect): number {
  if (one.cause === 'unknown' || other.cause === 'unknown') return Number(one.cause === 'unknown') - Number(other.cause === 'unknown');
  return confidences.indexOf(other.confidence) - confidences.indexOf(one.confidence) || place(one.cause) - place(other.cause) || one.cause.localeCompare(other.cause);
}

function place(cause: CauseName): number {
  const index = precedence.indexOf(cause);
  return index < 0 ? precedence.length : index;
}
