/** Every cause that a policy may name. The order is the order of the five families (README, "causes"). */
export const causeNames = [
  'service.crashed',
  'service.start_limit_hit',
  'service.hung',
  'service.starting',
  'service.stopped_by_operator',
  'service.orphaned_workers',
  'oom.killed',
  'dependency.database',
  'dependency.cache',
  'dependency.other',
  'data.corrupt',
  'load.cpu',
  'load.memory',
  'load.io',
  'load.network',
  'app.slow',
  'config.invalid',
  'config.dns',
  'config.credentials',
  'config.permission',
  'config.socket_mismatch',
  'config.buffer_size',
  'config.timeout',
  'config.tls',
  'config.per_ip_limit',
  'capacity.workers_exhausted',
  'capacity.connections_exhausted',
  'capacity.backlog_full',
  'capacity.file_descriptors',
  'capacity.ports_exhausted',
  'disk.full',
  'limit.tenant',
  'net.port_blocked',
  'net.port_moved',
  'net.port_taken',
  'app.segfault',
  'app.error',
  'app.bad_response',
  'app.poison_request',
  'change.in_progress',
  'unknown',
] as const;

export type CauseName = (typeof causeNames)[number];

/** `certain`: direct evidence; `likely`: two independent signs; `possible`: one indirect sign. */
export const confidences = ['possible', 'likely', 'certain'] as const;
export type Confidence = (typeof confidences)[number];

/** Is `has` at least as strong as `needed`? */
export function isAtLeast(has: Confidence, needed: Confidence): boolean {
  return confidences.indexOf(has) >= confidences.indexOf(needed);
}

/**
 * One observed fact. `kind` says which probe's word it is and what shape `facts` has; causes match on it.
 * `text` is the fact as one plain sentence, quoted in the audit log and by `why`.
 */
export interface Evidence {
  readonly kind: string;
  readonly source: string;
  readonly text: string;
  readonly facts: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  /** What could not be seen, where the probe was refused, skipped or out of time. */
  readonly missing?: string;
}

/** One cause that the evidence speaks for. */
export interface Suspect {
  readonly cause: CauseName;
  readonly confidence: Confidence;
  /** Which service, limit, port, file, host, script or user: `php-fpm`, `pm.max_children = 5`. */
  readonly subject: string;
  /** The cause as one sentence for a person. */
  readonly sentence: string;
  readonly because: readonly string[];
  readonly against: readonly string[];
  /** What would help, as one sentence; the exact command where there is one. */
  readonly remedy: string;
  /** What makes it worse, one sentence each, beside what `harmful-remedies.ts` says of the cause. */
  readonly avoid?: readonly string[];
  /** Facts that an action needs: `{ found: '127.0.0.1:8081' }` for `switch_upstream`. Never from a request. */
  readonly facts?: Readonly<Record<string, string | number>>;
}

/** All suspects, best first; never empty: the last resort is `unknown`. */
export interface Diagnosis {
  readonly best: Suspect;
  readonly others: readonly Suspect[];
  readonly evidence: readonly Evidence[];
}
