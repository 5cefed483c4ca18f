import { redact } from './audit/redact.ts';
import type { HealerLog } from './healer.ts';

/**
 * The process log without what looks like a secret. Its sentences quote what programs printed, as the audit log's do,
 * and it is read by more people: it goes to the journal, to log shippers, and carries the messages to people.
 */
export function redactedLog(log: HealerLog): HealerLog {
  return {
    info: (fields, message) => log.info(fields, redact(message).text),
    warn: (fields, message) => log.warn(fields, redact(message).text),
    error: (fields, message) => log.error(fields, redact(message).text),
  };
}
