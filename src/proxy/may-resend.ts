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
  readonly paths: readonly string[];
  readonly statuses: readonly number[];
  readonly after_timeout: boolean;
  readonly never_paths?: readonly string[] | undefined;
  readonly never_query?: readonly string[] | undefined;
}

/** What of a request decides whether it may be executed twice. */
export interface Repeatable {
  readonly method: string;
  readonly target: string;
  /** Asked only where it decides. */
  readonly hasIdempotencyKey: () => boolean;
  readonly rules: ReplayRules;
}

/** Whether the application does the same when it is asked twice; `why` ends a record's "resend". */
export interface Repetition {
  readonly safe: boolean;
  readonly why: string;
}

/** What has happened to a request so far. */
export interface ResendQuestion {
  readonly repetition: Repetition;
  readonly failure: UpstreamFailure;
  /** How often it was already sent again although it may have been executed. */
  readonly replays: number;
  /** A kept connection ended under it before: that is forgiven once. */
  readonly raced: boolean;
  readonly bodyComplete: boolean;
  /** It has waited as long as it may. */
  readonly tooLate: boolean;
  readonly afterTimeout: boolean;
}

/**
 * `unsent`: not a byte of it was executed; `race`: a kept connection ended as it was used; `replay`: the backend may
 * have executed it, and it is sent once more.
 */
export type ResendAnswer =
  | { readonly resend: false; readonly why: string }
  /** `afterMs`: the backend named the time itself. */
  | { readonly resend: true; readonly as: 'unsent' | 'race' | 'replay'; readonly afterMs?: number; readonly why: string };

export function mayResend(question: ResendQuestion): ResendAnswer {
  const { failure, repetition } = question;
  if (failure.source !== 'upstream') return no('the backend is not at fault');
  const timedOut = question.afterTimeout && failure.kind === 'http_response_timeout';
  if (failure.resend === 'never' && !timedOut) return no('an answer had begun, or the request itself may be the cause');
  const race = failure.staleConnection === true && !question.raced;
  // asking a new connection at once is no waiting: those who may not wait at all (health checks) get it too
  if (question.tooLate && !race) return no('it has waited as long as it may');
  if (failure.phase === 'connect' && !passesWithTime(failure)) return no('waiting does not cure this');
  const whole = question.bodyComplete;
  if (failure.resend === 'always') return whole ? { resend: true, as: 'unsent', why: 'it was not sent' } : no(bodyLost);
  if (question.replays > 0) return no('it was sent a second time already');
  if (!repetition.safe) return no(repetition.why);
  if (!whole) return no(bodyLost);
  if (race) return { resend: true, as: 'race', why: 'a kept connection ended as it was used' };
  return { resend: true, as: 'replay', why: repetition.why };
}

/** The backend's own answer has a status that the configuration lists: is it asked once more, after `afterMs`? */
export function mayAskAgain(question: Pick<ResendQuestion, 'repetition' | 'replays' | 'bodyComplete' | 'tooLate'>, afterMs: number): ResendAnswer {
  if (!question.repetition.safe) return no(question.repetition.why);
  if (question.replays > 0) return no('it was sent a second time already');
  if (question.tooLate) return no('it may not wait as long as the backend asks');
  return question.bodyComplete ? { resend: true, as: 'replay', afterMs, why: 'the configuration lists the status of its answer' } : no(bodyLost);
}

const bodyLost = 'part of its body was sent and not kept';

/** Decided once for a request: by its method, by what the configuration trusts, and by what is never trusted. */
export function mayBeExecutedTwice({ method, target, hasIdempotencyKey, rules }: Repeatable): Repetition {
  const idempotent = idempotentMethods.has(method);
  const trusted = !idempotent && rules.idempotency_key && hasIdempotencyKey();
  const listed = idempotent || trusted ? undefined : rules.paths.find((beginning) => target.startsWith(beginning));
  if (!idempotent && !trusted && listed === undefined) return { safe: false, why: `${method} may have been executed` };
  const exclusion = excludedBy(target, rules);
  if (exclusion) return { safe: false, why: exclusion };
  if (idempotent) return { safe: true, why: `${method} is idempotent` };
  return { safe: true, why: trusted ? 'it carries Idempotency-Key and the configuration trusts it' : `the configuration says that ${listed} may be sent twice` };
}

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

function no(why: string): ResendAnswer {
  return { resend: false, why };
}

function excludedBy(target: string, rules: ReplayRules): string | undefined {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const badPath = rules.never_paths
    ? rules.never_paths.find((beginning) => path.startsWith(beginning))
    : defaultNeverScripts.find((script) => path.includes(script) && path.split('/').includes(script));
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
