/**
 * What the admin listener says to the dashboard: JSON shapes, all read-only. Written once, for the server that makes
 * them and for the page that shows them. Times are ISO 8601 in UTC unless a name ends in `Ms`. Every text may hold what
 * a visitor or a log line wrote: it is shown as text, never as markup.
 */
import type { ActionName, GateName } from './decision.ts';
import type { CauseName, Confidence } from './diagnosis.ts';
import type { FailureKind } from './failure.ts';
import type { Outcome, SeenBy } from './incident.ts';

/** `GET /api/state`, and the data of each `state` event of `GET /api/events` (every second). */
export interface AdminState {
  /** Name and version: `goodgateway 0.1.0`. */
  readonly product: string;
  readonly host: string;
  readonly now: string;
  readonly healer: 'connected' | 'away';
  readonly gateways: Readonly<Record<string, AdminGateway>>;
}

export interface AdminGateway {
  readonly gate: 'open' | 'holding' | 'falling_back';
  /** Why the gate is not open, as people say it; empty while it is open. */
  readonly say: string;
  /** Code of the open incident. */
  readonly incident: string | null;
  readonly held: number;
  readonly in_flight: number;
  readonly limit: number | null;
  readonly quarantined: number;
  readonly shedding: { readonly keep: number; readonly incident: string } | null;
  readonly upstream: string;
  readonly no_progress_ms: number;
  readonly total: AdminTotals;
  /** By kind, since the proxy started; kinds that never happened may be missing. */
  readonly failures: Readonly<Partial<Record<FailureKind, number>>>;
  /** Of the last 10 s; `null` when nothing was answered in them. */
  readonly latency: { readonly p50_ms: number; readonly p95_ms: number; readonly requests: number } | null;
  readonly last_recovery: { readonly incident: string | null; readonly say: string; readonly took_ms: number; readonly at: string } | null;
}

/** Requests since the proxy started. */
export interface AdminTotals {
  readonly completed: number;
  readonly failed: number;
  readonly status5xx: number;
  readonly fellBack: number;
  readonly shed: number;
}

/** `GET /api/incidents?before=ULID`: newest first, at most 50. */
export interface AdminIncidents {
  readonly incidents: readonly AdminIncident[];
  /** Older ones follow: ask again with the last one's id. */
  readonly more: boolean;
}

/** One incident in one line. What is not known is missing. */
export interface AdminIncident {
  readonly id: string;
  readonly code: string;
  readonly service?: string | undefined;
  readonly openedAtMs: number;
  readonly lastAtMs: number;
  readonly cause?: string | undefined;
  readonly done: readonly { readonly what: string; readonly times: number }[];
  readonly notDone: readonly string[];
  readonly outcome: 'open' | 'closed' | 'gave_up' | Outcome;
  readonly tookMs?: number | undefined;
}

/** `GET /api/incidents/CODE`. */
export interface AdminStory {
  readonly id: string;
  readonly records: readonly AdminRecord[];
  /** How many of the oldest records are not in `records`. */
  readonly leftOut: number;
  /** How many are of a later version, which cannot be told. */
  readonly notUnderstood: number;
}

/** One audit record, as far as a story tells it (docs/schema/audit-record.json has all); also the data of a `record` event. */
export interface AdminRecord {
  readonly seq: number;
  readonly ts: string;
  readonly event: string;
  readonly incident?: string | undefined;
  readonly service?: string | undefined;
  readonly action?: ActionName | undefined;
  readonly actor?: 'auto' | { readonly uid: number; readonly user?: string | undefined } | { readonly by: string } | undefined;
  readonly symptom?: { readonly seen_by: SeenBy; readonly kind: string; readonly gateway?: string | undefined; readonly count: number; readonly text: string } | undefined;
  readonly cause?: CauseName | undefined;
  readonly confidence?: Confidence | undefined;
  readonly signals?: readonly { readonly speaks: 'for' | 'against'; readonly signal: string; readonly value: string; readonly source: string }[] | undefined;
  readonly evidence?: readonly { readonly collector: string; readonly status: 'seen' | 'missing'; readonly source: string; readonly text: string }[] | undefined;
  /** What was kept in files. */
  readonly files?: { readonly count: number } | undefined;
  readonly rule?: string | undefined;
  readonly rung?: number | undefined;
  readonly attempt?: number | undefined;
  readonly limits?: { readonly timeout_ms: number } | undefined;
  readonly gates?: readonly AdminGate[] | undefined;
  readonly argv?: readonly string[] | undefined;
  readonly as?: string | undefined;
  readonly outcome?: AdminOutcome | undefined;
  readonly verify?: AdminVerification | undefined;
  readonly impact?: AdminImpact | undefined;
  readonly text?: string | undefined;
  readonly remedy?: string | undefined;
  readonly avoid?: readonly string[] | undefined;
  /** The end of a file of the log, in the first record of the next. */
  readonly sealed?: object | undefined;
  /** The old file of the log that is removed. */
  readonly removed?: object | undefined;
  readonly changes?: readonly string[] | undefined;
}

export interface AdminGate {
  readonly gate: GateName;
  readonly verdict: 'pass' | 'refuse' | 'not_evaluated';
  readonly reason: string;
  readonly allowed_at?: string | undefined;
}

/** `done`, `failed`, `unknown`: of an action. The others: of an incident. */
export interface AdminOutcome {
  readonly result: 'done' | 'failed' | Outcome;
  readonly detail?: string | undefined;
  readonly exit?: number | undefined;
  readonly signal?: string | undefined;
  readonly duration_ms?: number | undefined;
  readonly output?: string | undefined;
}

export interface AdminVerification {
  readonly outcome: Outcome;
  readonly checks: readonly { readonly check: string; readonly verdict: 'pass' | 'fail' | 'skipped'; readonly text: string }[];
  readonly first_pass_ms?: number | undefined;
  readonly took_ms?: number | undefined;
}

/** What visitors felt. */
export interface AdminImpact {
  readonly held?: number | undefined;
  readonly failed?: number | undefined;
  readonly fell_back?: number | undefined;
  readonly longest_wait_ms?: number | undefined;
  readonly downtime_ms?: number | undefined;
}

/** `GET /api/services`: the healer's answer to `goodgateway status`. */
export interface AdminServices {
  readonly healing: 'on' | 'off';
  /** `ok`, or why nothing can be recorded: then nothing is done either. */
  readonly audit: string;
  readonly off: AdminOff | null;
  readonly paused: AdminPause | null;
  readonly breaker: { readonly since: string; readonly reason: string; readonly tried: boolean } | null;
  readonly budget: { readonly disruptive: AdminUse; readonly starts: AdminUse; readonly within_ms: number };
  /** Receivers of messages for whom some wait; `problem`: why the last try did not help. */
  readonly untold: readonly { readonly notifier: string; readonly waiting: number; readonly since?: string | undefined; readonly problem?: string | undefined }[];
  readonly services: readonly AdminService[];
}

export interface AdminOff {
  readonly since: string;
  readonly by: string;
  readonly reason: string;
}

export interface AdminPause {
  readonly until: string;
  readonly reason: string;
}

export interface AdminUse {
  readonly used: number;
  readonly of: number;
}

export interface AdminService {
  readonly name: string;
  readonly mode: 'observe' | 'act' | 'approve';
  readonly state: string;
  /** The state as a sentence. */
  readonly text: string;
  readonly upstream: string | null;
  readonly attempts: AdminUse & { readonly within_ms: number };
  readonly quarantined: readonly { readonly request: string; readonly code: string; readonly until: string }[];
  readonly off: AdminOff | null;
  readonly paused: AdminPause | null;
  /** Why goodgateway stopped trying; a person must act. */
  readonly gave_up: string | null;
  readonly gave_up_since: string | null;
  /** What a person is asked before it is done. */
  readonly questions: readonly { readonly code: string; readonly action: string; readonly rule: string; readonly until: string }[];
  readonly incident: {
    readonly id: string;
    readonly code: string;
    readonly opened_at: string;
    readonly symptom: string;
    readonly cause: string | null;
    /** The cause as a sentence. */
    readonly sentence: string | null;
    readonly done: readonly string[];
  } | null;
}

/** `GET /api/doctor`: the last run of `goodgateway doctor`; no run yet: `checked_at` is `null`. */
export interface AdminDoctor {
  readonly checked_at: string | null;
  readonly findings: readonly AdminFinding[];
}

/** The texts are missing where the run kept only what it needs to compare. */
export interface AdminFinding {
  readonly id: string;
  readonly subject: string;
  readonly severity: string;
  readonly family?: string | undefined;
  readonly what?: string | undefined;
  readonly why?: string | undefined;
  readonly change?: string | undefined;
  readonly source?: string | undefined;
}

/** `GET /api/policies`. */
export interface AdminPolicies {
  readonly policies: readonly { readonly service: string; readonly mode: 'observe' | 'act' | 'approve'; readonly description: string | null; readonly sentences: readonly string[] }[];
}

/** `GET /api/audit`: is the record whole, and can it be written? `checking`: the first check is under way. `checked_at`: of the check that the rest is from. */
export interface AdminAudit {
  readonly state: 'whole' | 'broken' | 'not_writable' | 'checking';
  readonly text: string;
  readonly records: number;
  readonly last: { readonly seq: number; readonly hash: string } | null;
  readonly checked_at: string | null;
  /** The last record that was told outside of the log (journal, syslog), and the record that says so. */
  readonly checkpoint: { readonly seq: number; readonly record: number } | null;
}

/** With 401 (a token is needed), 404 and 503 (the healer is away). */
export interface AdminError {
  readonly error: string;
}
