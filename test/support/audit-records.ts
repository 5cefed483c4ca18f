import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type AuditRecord = Readonly<Record<string, unknown>> & { readonly event: string };

/** All records in a folder of the audit log, the oldest first; none when there is no such folder. */
export function auditRecords(folder: string): readonly AuditRecord[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .sort();
  // The last line may be in the middle of being written.
  const lines = files.flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1));
  return lines.map((line) => JSON.parse(line) as AuditRecord);
}
