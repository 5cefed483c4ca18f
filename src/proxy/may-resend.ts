/**
 * May the same request be sent again? The whole doctrine, one reason a line.
 * @see https://www.rfc-editor.org/rfc/rfc9110.html#section-9.2.2
 */
import type { UpstreamFailure } from '../core/failure.ts';

const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** What PHP applications commonly do with a GET that is no mere question: scripts by name, wherever they lie. */
const defaultNeverScripts = ['wp-cron.php', 'cron.php', 'xmlrpc.php'];
const defaultNeverQuery = ['action', 'add-to-cart', 'token', 'key', 'nonce', '_wpnonce'];

/** Whether doing it twice is like doing it once. */
export function isIdempotent(method: string): boolean {
  return idempotentMethods.has(method);
}

export interface ReplayRules {
  readonly idempotency_key: boolean;
  readonly never_paths?: readonly string[] | undefined;
  readonly never_query?: readonly string[] | undefined;
}

export interface ResendQuestion {
  readonly method: string;
  readonly target: string;
  readonly hasIdempotencyKey: boolean;
  readonly failure: UpstreamFailure;
  /** How often a request that may have been executed was already sent again. */
  readonly replays: number;
  readonly bodyComplete: boolean;
  /** It has waited as long as it may. */
  readonly tooLate: boolean;
  readonly rules: ReplayRules;
}

export type ResendAnswer = { readonly resend: false; readonly why: string } | { readonly resend: true; readonly replay: boolean; readonly why: string };

/** `replay` says that the backend may have seen it before; otherwise not a byte of it was executed. */
export function mayResend(question: ResendQuestion): ResendAnswer {
  const { failure } = question;
  if (failure.source !== 'upstream') return no('the backend is not at fault');
  if (failure.resend === 'never') return no('an answer had begun, or the request itself may be the cause');
  if (question.tooLate) return no('it has waited as long as it may');
  if (failure.phase === 'connect' && !passesWithTime(failure)) return no('waiting does not cure this');
  const whole = question.bodyComplete;
  if (failure.resend === 'always') return whole ? { resend: true, replay: false, why: 'it was not sent' } : no(bodyLost);
  if (question.replays > 0) return no('it was sent a second time already');
  const exclusion = excludedBy(question);
  if (exclusion) return no(exclusion);
  const idempotent = idempotentMethods.has(question.method);
  const trusted = question.rules.idempotency_key && question.hasIdempotencyKey;
  if (!idempotent && !trusted) return no(`${question.method} may have been executed`);
  if (!whole) return no(bodyLost);
  return { resend: true, replay: true, why: idempotent ? `${question.method} is idempotent` : 'it carries Idempotency-Key and the configuration trusts it' };
}

const bodyLost = 'part of its body was sent and not kept';

/**
 * Whether a failed connect is of the kind that a repair cures while requests wait: the gate closes for it.
 * A missing permission, a missing route or a bad certificate need a person.
 */
export function passesWithTime(failure: UpstreamFailure): boolean {
  switch (failure.kind) {
    case 'connection_refused':
    case 'connection_timeout':
    case 'connection_terminated':
    case 'destination_unavailable':
    case 'dns_error':
    case 'dns_timeout':
      return true;
    default:
      return false;
  }
}

/** Whether a request of this method can ever be sent again after it was sent: only then its body is worth keeping. */
export function mayBeReplayed(method: string, rules: ReplayRules): boolean {
  return idempotentMethods.has(method) || rules.idempotency_key;
}

function no(why: string): ResendAnswer {
  return { resend: false, why };
}

function excludedBy({ target, rules }: ResendQuestion): string | undefined {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const badPath = rules.never_paths ? rules.never_paths.find((beginning) => path.startsWith(beginning)) : defaultNeverScripts.find((script) => path.split('/').includes(script));
  if (badPath) return `requests for ${badPath} are never sent twice`;
  if (mark < 0) return undefined;
  const names = target
    .slice(mark + 1)
    .split(/[&?]/)
    .map(parameterName);
  const badName = (rules.never_query ?? defaultNeverQuery).find((name) => names.includes(name));
  return badName ? `requests with the parameter "${badName}" are never sent twice` : undefined;
}

/** `%61ction[]=buy` → `action`, as PHP would read it. */
function parameterName(pair: string): string {
  const written = pair.split('=', 1)[0]!.replaceAll('+', ' ');
  let name = written;
  try {
    name = decodeURIComponent(written);
  } catch {
    // best effort: what is no UTF-8 is compared as it is written
  }
  return name.trim().split('[', 1)[0]!;
}
