/**
 * One line of the audit log. The names are a public interface: programs of others read them, so a renamed field
 * or event is a CHANGE in the changelog. The published JSON Schema (docs/schema/audit-record.json) is made from here.
 */
import { z } from 'zod';
import { actionNames, gateNames } from '../../core/decision.ts';
import { causeNames, confidences } from '../../core/diagnosis.ts';
import { outcomes, seers } from '../../core/incident.ts';
import { auditEventNames, type AuditEventName } from './event-names.ts';

/** Longest text of one field, in characters; longer ones are cut and end in an ellipsis. */
export const maxTextLength = 4096;
/** Longest list of one field; the rest is left out. */
export const maxListLength = 100;

const text = z.string().max(maxTextLength);
const count = z.number().int().min(0);
const milliseconds = z.number().min(0);
const instant = z.iso.datetime({ precision: 3 }).describe('RFC 3339, UTC, with milliseconds');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const ulid = z.string().regex(/^[0-9A-HJKMNP-TV-Z]{26}$/);

const symptom = z.object({
  seen_by: z.enum(seers),
  kind: text.describe('A failure kind (RFC 9209 names), or what the watch saw'),
  gateway: text.optional(),
  count,
  text,
  requests: z.array(text).max(20).optional().describe('Sample request ids'),
});

const signal = z.object({
  speaks: z.enum(['for', 'against']).describe('For the cause or against it; what could not be seen stands with the evidence'),
  signal: text.describe('Which probe said it'),
  value: text.describe('The fact as one sentence'),
  source: text,
});

const gate = z.object({
  gate: z.enum(gateNames),
  verdict: z.enum(['pass', 'refuse', 'not_evaluated']),
  reason: text.describe('With the numbers that were compared'),
  allowed_at: instant.optional(),
});

const outcome = z.object({
  result: z.enum(['done', 'failed', ...outcomes]).describe('done, failed, unknown: of an action. The others: of an incident'),
  detail: text.optional(),
  exit: z.number().int().optional(),
  signal: text.optional(),
  duration_ms: milliseconds.optional().describe('Of the action; in incident.* records, of the incident'),
  output: text.optional().describe('The end of what the program printed'),
});

const verification = z.object({
  outcome: z.enum(outcomes),
  checks: z.array(z.object({ check: text, verdict: z.enum(['pass', 'fail', 'skipped']), text })).max(maxListLength),
  first_pass_ms: milliseconds.optional().describe('From the end of the action until all checks passed: waiting requests go on then'),
  took_ms: milliseconds.optional(),
});

const evidence = z
  .array(
    z.object({
      collector: text,
      status: z.enum(['seen', 'missing']),
      source: text,
      text,
    }),
  )
  .max(maxListLength);

const impact = z.object({
  held: count.optional().describe('Requests that waited'),
  failed: count.optional().describe('Requests that got an error'),
  fell_back: count.optional().describe('Requests that got our page'),
  longest_wait_ms: milliseconds.optional(),
  downtime_ms: milliseconds.optional(),
});

/** What the healer says about an event. Everything is optional except `event`; absent means: not known, or no matter. */
const fields = z.object({
  event: z.enum(auditEventNames),
  policy: z.object({ name: text, sha256, mode: z.enum(['observe', 'act', 'approve']) }).optional(),
  incident: ulid.optional(),
  action: z.enum(actionNames).optional(),
  action_id: ulid.optional().describe('The same in intent, started, finished and unknown of one action'),
  parent: count.optional().describe('seq of the record that this one answers'),
  service: text.optional(),
  target: text.optional().describe('Unit, pidfile, container or address'),
  fence: text.optional().describe('Which run of the service: InvocationID, or pid and start time'),
  actor: z
    .union([z.literal('auto'), z.object({ uid: count, user: text.optional() }), z.object({ by: text })])
    .optional()
    .describe('auto: goodgateway itself. by: an operator, as the command that was used says of itself; claimed, not proven'),
  symptom: symptom.optional(),
  cause: z.enum(causeNames).optional(),
  confidence: z.enum(confidences).optional(),
  signals: z.array(signal).max(maxListLength).optional(),
  rule: text.optional(),
  rung: count.optional(),
  attempt: count.optional(),
  gates: z.array(gate).max(maxListLength).optional(),
  argv: z.array(text).max(maxListLength).optional().describe('Exactly what is executed; secrets replaced'),
  as: text.optional().describe('The user that it runs as'),
  limits: z.object({ timeout_ms: milliseconds }).optional(),
  reversible: z.boolean().optional().describe('action.intent: whether goodgateway can take it back'),
  outcome: outcome.optional(),
  verify: verification.optional(),
  evidence: evidence.optional(),
  approval: z
    .object({ code: text, from: z.array(text).max(maxListLength).optional(), until: instant.optional(), otherwise: z.enum(['skip', 'do']).optional(), fence: text.optional() })
    .optional()
    .describe('approval.*: the question, and what its answer is bound to'),
  pause: z.object({ until: instant.optional(), reason: text }).optional().describe('pause.*, healing.off'),
  rejected: z
    .array(z.object({ file: text, running: sha256.optional().describe('Of its bytes when it was taken over'), refused: sha256.optional().describe('Of its bytes now') }))
    .max(maxListLength)
    .optional()
    .describe('policy.rejected: the files that were read again and are not obeyed'),
  files: z.object({ folder: text, manifest_sha256: sha256, bytes: count, count }).optional().describe('evidence.captured: what was kept in files'),
  impact: impact.optional(),
  gap: z.object({ bytes: count, file: text }).optional().describe('audit.gap: how much was cut or is in doubt, and where it is kept'),
  unwritten: z
    .object({ count, first: instant, last: instant, kinds: z.array(z.object({ what: text, count })).max(maxListLength), why: text })
    .optional()
    .describe('audit.gap: records that could not be written, such as while the disk was full; what they were, and when'),
  sealed: z
    .object({ file: text, bytes: count, last_seq: count, sha256 })
    .optional()
    .describe('audit.rotated, the first record of a file: the file before is complete, this is its length and the hash of the whole of it, as it was written and not compressed'),
  removed: z
    .object({ file: text, bytes: count, last_seq: count.optional(), sha256: sha256.optional() })
    .optional()
    .describe('audit.rotated: the file that was too old, or too much, and the number and hash of its last line, which the first line that remains carries on'),
  checkpoint: z.object({ file: text, seq: count, head: sha256 }).optional().describe('audit.checkpoint: a record, and the hash of its line, that were also told outside of this log'),
  text: text.optional().describe('The record as one sentence for a person; its wording may change'),
  remedy: text.optional().describe('What would help'),
  avoid: z.array(text).max(maxListLength).optional().describe('diagnosis.*: what would make it worse'),
  changes: z.array(text).max(maxListLength).optional().describe('diagnosis.*: what was changed shortly before: upgrades, a boot, files'),
});

/** What the log itself puts before and after the event. */
const envelope = {
  v: z.literal(1).describe('Version of this schema'),
  seq: z.number().int().min(1).describe('Counts every record of all files, without a gap'),
  ts: instant,
  mono_ms: milliseconds.describe('Monotonic clock of the writing process'),
  boot: text.describe('Boot id of the kernel'),
  host: text,
  agent: text.describe('Product and version'),
};
const tail = {
  redacted: count.optional().describe('How many secrets were replaced in this record; absent: none'),
  prev: sha256.describe('SHA-256 of the previous line with its newline; the first of all has 64 zeros'),
};

/** A record as it stands in the file. Unknown fields of later versions are allowed and ignored. */
export const auditRecordSchema = z.object({ ...envelope, ...fields.shape, ...tail });
export type AuditRecord = DeepReadonly<z.output<typeof auditRecordSchema>>;

type DeepReadonly<T> = T extends readonly (infer E)[] ? readonly DeepReadonly<E>[] : T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
type Fields = DeepReadonly<Omit<z.output<typeof fields>, 'event'>>;
type ActEventName = 'action.intent' | 'action.started' | 'action.finished' | 'action.unknown';

/** What is handed to the log. An act must say which one it is, or nobody could pair its intent with its outcome. */
export type AuditEvent = (Fields & { readonly event: Exclude<AuditEventName, ActEventName> }) | (Fields & ActFields & { readonly event: AuditEventName });

interface ActFields {
  /** None: a person asked for it while nothing was wrong. */
  readonly incident?: string;
  readonly service: string;
  readonly action: NonNullable<Fields['action']>;
  readonly action_id: string;
}

/** The JSON Schema (draft 2020-12) of one line, as published. */
export function auditRecordJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    title: 'One line of the goodgateway audit log',
    ...z.toJSONSchema(auditRecordSchema, { io: 'input' }),
  };
}
