import { parseObject, readLink } from './chain.ts';
import type { StrangeRecord } from './files.ts';
import { auditRecordSchema, type AuditRecord } from './record.ts';

/** The record of one line, with or without its newline; `undefined` when it is none of ours, or of a later version. */
export function readRecord(line: Uint8Array): AuditRecord | undefined {
  const parsed = auditRecordSchema.safeParse(parseObject(line));
  return parsed.success ? parsed.data : undefined;
}

/** What {@link readRecord} does not understand, and is a record for the chain all the same: of a later version, as after a downgrade. */
export function readStrange(line: Uint8Array): StrangeRecord | undefined {
  const seq = readLink(line)?.seq;
  if (seq === undefined) return undefined;
  const { ts, incident, service, agent } = parseObject(line) ?? {};
  return { seq, atMs: Date.parse(String(ts)), incident: textOr(incident), service: textOr(service), agent: textOr(agent) };
}

function textOr(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
