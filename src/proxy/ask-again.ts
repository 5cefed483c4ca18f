import type { ResponseHead } from '../upstream/exchange.ts';
import { rawHeader } from './http-request.ts';
import type { Journey } from './journey.ts';
import { mayAskAgain, type ResendAnswer } from './may-resend.ts';

/** How long to wait where the backend does not say. */
const unsaidMs = 1000;

/**
 * The verdict on a request to which the backend answered with a status that `replay.statuses` lists: once more, after
 * its Retry-After; `undefined` where this answer is the last word.
 */
export function askAgain(journey: Journey, head: ResponseHead): ResendAnswer | undefined {
  const { gateway, note, body, repetition, holdMs } = journey;
  const { replay, hold } = gateway.config;
  if (!replay.statuses.includes(head.status) || gateway.putOff.count >= hold.requests) return undefined;
  const afterMs = retryAfterMs(head) ?? unsaidMs;
  const verdict = mayAskAgain({ repetition, replays: note.replays, bodyComplete: body.canOpenAgain, tooLate: note.heldMs + afterMs > holdMs }, afterMs);
  note.resend = verdict.why;
  return verdict.resend ? verdict : undefined;
}

/** Seconds only: a date would need the backend's clock. @see https://www.rfc-editor.org/rfc/rfc9110.html#section-10.2.3 */
function retryAfterMs({ rawHeaders }: ResponseHead): number | undefined {
  const value = rawHeader(rawHeaders, 'retry-after')?.trim() ?? '';
  return /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined;
}
