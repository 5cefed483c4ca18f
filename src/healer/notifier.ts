/**
 * The interface of notifiers, and the message that they carry. A notifier is one file and one line in its registry. It
 * tries once and returns what came of it; it never waits, tries again or logs: that is the courier's.
 */
import { z } from 'zod';

/** What a message is about. Those that the audit log knows too have the same name there. */
export const messageEvents = [
  'incident.opened',
  'incident.recovered',
  'incident.gave_up',
  'incident.blocked',
  'incident.repeated',
  'incident.reminder',
  'incident.page',
  'incident.notice',
  'approval.asked',
  'approval.expired',
  'breaker.opened',
  'shared_cause.opened',
  'policy.rejected',
  'notifier.test',
] as const;
export type MessageEvent = (typeof messageEvents)[number];

/** `critical`: a person is waited for. `warning`: a person should look. `info`: good to know. */
const severities = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof severities)[number];

const line = z.string().max(600);

/** One message to one or several receivers, as it stands in the spool. */
export const messageSchema = z.strictObject({
  /** The same at every try: a receiver that gets it twice knows by it. */
  id: z.string().regex(/^[0-9A-Z]{26}$/),
  at: z.iso.datetime({ precision: 3 }),
  host: z.string().max(255),
  event: z.enum(messageEvents),
  severity: z.enum(severities),
  service: z.string().max(64).optional(),
  /** What all messages of one thread have in common; absent where there is no incident. */
  incident: z.string().max(64).optional(),
  /** Of the incident, as people say it. */
  code: z.string().max(16).optional(),
  /** The first says what happened. No control characters, no secrets. */
  lines: z.array(line).min(1).max(12),
  /** The end of the audit log's chain, and how many records it holds: outside the host nobody can rewrite it. */
  audit: z.strictObject({ seq: z.int(), head: z.string().max(64) }).optional(),
  /** Older messages to the same receiver that were dropped, because too many waited. */
  left_out: z.int().min(1).optional(),
});
export type Message = Readonly<z.output<typeof messageSchema>>;

/** `retry`: another try later may work. Neither `detail` holds a secret, nor an address that may be one. */
export type SendOutcome =
  | { readonly kind: 'sent'; readonly detail?: string }
  /** `retryAfterMs`: what the receiver asked for. */
  | { readonly kind: 'failed'; readonly retry: boolean; readonly detail: string; readonly retryAfterMs?: number };

/** One way of telling. */
export interface Notifier<Settings> {
  readonly type: string;
  /** Tries once, and soon after `signal` aborts it returns. Never rejects. */
  send(message: Message, settings: Settings, signal: AbortSignal): Promise<SendOutcome>;
}

/** How it stands with one receiver. */
export interface ReceiverStatus {
  readonly waiting: number;
  /** Wall time at which the oldest that waits was said. */
  readonly oldestMs: number | undefined;
  /** What came of the last try, while it was no success. */
  readonly problem: string | undefined;
}

/** Everybody who can be told, by name. */
export interface Receivers {
  /** Resolves when it stands in the spools of all these; it is sent later. Unknown names, and those of type `log`, are passed over. */
  post(message: Message, to: readonly string[]): Promise<void>;
  /** Those with messages that wait. */
  waiting(): readonly (ReceiverStatus & { readonly name: string })[];
}

/** The message as other programs get it, on a webhook or on standard input: a public interface, described in docs/notifications.md. */
export function fieldsOf(message: Message): object {
  const { id, at, host, event, severity, service, incident, code, lines, audit, left_out } = message;
  return { v: 1, id, thread: incident ?? id, event, severity, service, incident, code, text: lines.join('\n'), lines, at, host, audit, left_out };
}

/** The whole text, for receivers that take nothing else: the lines, and behind them how the audit log stands. */
export function textOf({ lines, audit }: Message): string {
  return [...lines, ...(audit ? [`Audit log: ${audit.seq}:${audit.head}`] : [])].join('\n');
}
