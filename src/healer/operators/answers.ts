/** How an operator is answered, and in which order a change is recorded and made. */
import type { OperatorAnswer } from '../../channel/operator-messages.ts';
import type { AuditEvent } from '../audit/record.ts';
import type { Healer } from '../healer.ts';
import type { SaveResult } from '../state-store.ts';

/** What was asked for is so now. */
export function done(text: string): OperatorAnswer {
  return { ok: true, text };
}

/** Nothing was changed, or not durably; the text says why. */
export function refused(text: string): OperatorAnswer {
  return { ok: false, text };
}

export interface Change {
  readonly event: AuditEvent;
  /** On the disk when it resolves as saved. */
  readonly change: () => Promise<SaveResult>;
  readonly text: string;
}

/** A change that only restrains is made in any case; what of it could not be kept or recorded is said. */
export async function restrain({ event, change, text }: Change, healer: Healer): Promise<OperatorAnswer> {
  const saved = await change();
  const recorded = await healer.audit.append(event);
  const unrecorded = recorded.kind === 'appended' ? '' : ` It could not be recorded: ${recorded.detail}.`;
  if (saved.kind === 'saved') return done(`${text}${unrecorded}`);
  return refused(`${text} But it holds only until the healer ends, because it could not be kept: ${saved.detail}.${unrecorded}`);
}

/** No audit, no permission: recorded first, then made. `back` is what the log and the memory get when it could not be kept. */
export async function permit({ event, change, text, back }: Change & { readonly back: Omit<Change, 'text'> }, healer: Healer): Promise<OperatorAnswer> {
  const recorded = await healer.audit.append(event);
  if (recorded.kind !== 'appended') return refused(`nothing was changed, because it could not be recorded: ${recorded.detail}`);
  const saved = await change();
  if (saved.kind === 'saved') return done(text);
  await back.change();
  await healer.audit.append(back.event);
  return refused(`nothing was changed, because it could not be kept: ${saved.detail}`);
}
