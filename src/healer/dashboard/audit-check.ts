/** Is the audit log whole? Checked in the background, now and then, because reading all of it takes seconds. */
import type { AdminAudit } from '../../core/admin-api.ts';
import type { Clock } from '../../core/time.ts';
import type { AuditLog } from '../audit/log.ts';
import { findAuditFiles } from '../audit/query.ts';
import { verifyAuditFolder } from '../audit/verify-audit-folder.ts';

export type AuditCheck = () => Promise<AdminAudit>;

/** An answer is so old at most before the log is read again. */
const goodForMs = 600_000;
/** Small logs are read at once: so long is waited for. */
const waitMs = 300;

/** Never rejects. */
export function createAuditCheck(folder: string, { audit, clock, signal }: { readonly audit: Pick<AuditLog, 'failure'>; readonly clock: Clock; readonly signal: AbortSignal }): AuditCheck {
  let known: AdminAudit | undefined;
  let checkedMs = -Infinity;
  let underWay: Promise<void> | undefined;
  const check = async (): Promise<void> => {
    const state = await verify(folder, clock).catch((error: unknown): AdminAudit => unreadable(error, clock));
    known = state;
    checkedMs = clock.monotonicMs();
    underWay = undefined;
  };
  return async () => {
    if (clock.monotonicMs() - checkedMs > goodForMs && !underWay) underWay = check();
    if (underWay) await Promise.race([underWay, clock.sleep(waitMs, signal)]);
    const trouble = audit.failure();
    const state = known ?? { state: 'checking', text: 'The log is being checked for the first time.', records: 0, last: null, checked_at: null, checkpoint: null };
    return trouble ? { ...state, state: 'not_writable', text: `${trouble.detail}; nothing is done to any service until it can be written.` } : state;
  };
}

async function verify(folder: string, clock: Clock): Promise<AdminAudit> {
  const found = await findAuditFiles(folder);
  if (found.kind === 'none') return { state: 'broken', text: found.detail, records: 0, last: null, checked_at: nowOf(clock), checkpoint: null };
  const { ok, records, head, firstBad, lastCheckpoint } = await verifyAuditFolder(found.files);
  const last = head ? { seq: head.seq, hash: head.hash } : null;
  const text = ok ? `All ${records} records follow one another.` : `${firstBad?.file ?? '?'}, line ${firstBad?.line ?? '?'}: ${firstBad?.text ?? 'it does not fit'}.`;
  return { state: ok ? 'whole' : 'broken', text, records, last, checked_at: nowOf(clock), checkpoint: lastCheckpoint ? { seq: lastCheckpoint.seq, record: lastCheckpoint.record } : null };
}

function unreadable(error: unknown, clock: Clock): AdminAudit {
  return { state: 'broken', text: `The log cannot be read: ${error instanceof Error ? error.message : String(error)}`, records: 0, last: null, checked_at: nowOf(clock), checkpoint: null };
}

function nowOf(clock: Clock): string {
  return new Date(clock.wallMs()).toISOString();
}
