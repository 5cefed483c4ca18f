/** The one way to people: a line of the process log, and the spools of those who are to be told. */
import { hostname } from 'node:os';
import { incidentCode, ulid } from '../core/ids.ts';
import { redact } from './audit/redact.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import type { Message, MessageEvent, Severity } from './notifier.ts';

export interface ToldPlace {
  readonly healer: Pick<Healer, 'log' | 'clock' | 'audit' | 'outbox'>;
  readonly event: MessageEvent;
  readonly ward?: Pick<Ward, 'name' | 'policy'> | undefined;
  readonly open?: Pick<OpenCase, 'incident'> | undefined;
}

const mostLines = 8;
const longestLine = 300;
/** Enough of a hash to compare by eye; who forges a log would have to meet it. */
const shownOfHead = 16;

const severityOf: Readonly<Partial<Record<MessageEvent, Severity>>> = {
  'incident.gave_up': 'critical',
  'incident.blocked': 'critical',
  'incident.reminder': 'critical',
  'incident.page': 'critical',
  'approval.asked': 'critical',
  'incident.repeated': 'warning',
  'breaker.opened': 'warning',
  'shared_cause.opened': 'warning',
  'policy.rejected': 'warning',
};

/** Tells these receivers, or those of the policy, else `ops`. Waits until it stands in their spools, and for no receiver. */
export async function tell(text: string, { healer, event, ward, open }: ToldPlace, to: readonly string[] = ward?.policy.notify.to ?? ['ops']): Promise<void> {
  const lines = linesOf(text);
  healer.log.error({ ...(ward ? { service: ward.name } : {}), to }, lines.join('\n'));
  await healer.outbox?.post(messageFor(lines, { healer, event, ward, open }), to);
}

/** Unicode's line ends, and what turns the direction of a text. */
const steering = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** What was quoted in it cannot pass for a line of ours, is no control character, and is no secret. */
function linesOf(text: string): readonly string[] {
  const lines = redact(text)
    .text.split('\n')
    .map((line) => line.replaceAll(steering, ' ').trim())
    .filter((line) => line !== '');
  // a pair that is cut in two is no JSON to some receivers, who would refuse the message for good
  return lines.slice(0, mostLines).map((line) => (line.length > longestLine ? `${line.slice(0, longestLine - 1).toWellFormed()}…` : line));
}

/** A message with these lines, of now. */
export function messageFor(lines: readonly string[], { healer, event, ward, open }: { readonly healer: Pick<Healer, 'clock' | 'audit'> } & Omit<ToldPlace, 'healer'>): Message {
  const wallMs = healer.clock.wallMs();
  const incident = open?.incident.id;
  const head = healer.audit.head();
  return {
    id: ulid(wallMs),
    at: new Date(wallMs).toISOString(),
    host: hostname(),
    event,
    severity: severityOf[event] ?? 'info',
    ...(ward ? { service: ward.name } : {}),
    ...(incident === undefined ? {} : { incident, code: incidentCode(incident) }),
    lines: lines.length > 0 ? [...lines] : ['goodgateway has nothing to say'],
    ...(head ? { audit: { seq: head.seq, head: head.hash.slice(0, shownOfHead) } } : {}),
  };
}
