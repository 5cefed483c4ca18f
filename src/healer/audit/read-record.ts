import { parseObject } from './chain.ts';
import { auditRecordSchema, type AuditRecord } from './record.ts';

/** The record of one line, with or without its newline; `undefined` when it is none of ours, or of a later version. */
export function readRecord(line: Uint8Array): AuditRecord | undefined {
  const parsed = auditRecordSchema.safeParse(parseObject(line));
  return parsed.success ? parsed.data : undefined;
}
