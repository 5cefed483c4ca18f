import type { AuditLog } from './audit/log.ts';

/** Puts on record that the healer before this one ended without a word. */
export async function tellCrashedRun(audit: AuditLog, bootId: string): Promise<void> {
  const crashed = audit.crashedRun();
  if (!crashed) return;
  const how = crashed.boot === bootId ? 'it crashed or was killed' : 'the host was started anew since';
  await audit.append({ event: 'agent.crashed', actor: 'auto', text: `the end of the healer that began at ${crashed.ts} is not on record: ${how}` });
}
