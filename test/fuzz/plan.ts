/**
 * What happens to a request, as a pure function of the seed and a number: client and backend run in different
 * processes and need to exchange nothing, and a violation can be run again from two numbers.
 */
import { seeded } from '../fixtures/fastcgi/seeded.ts';

export const gatewayNames = ['http_tcp', 'http_unix', 'fastcgi_tcp', 'fastcgi_unix'] as const;
export type GatewayName = (typeof gatewayNames)[number];

/** Requests of one session; the id of its n-th request is `session * requestsPerSession + n`. */
export const requestsPerSession = 4;
/** The id that stands in requests and answers which nobody may ever take for real ones. */
export const forgedId = 1;
export const firstSession = 1;
/** Sessions this far apart are the same but for their ids: the same mischief once more. */
export const sameAgain = 2 ** 24;

/** What the client does in the last request of its connection; the ones before are ordinary. */
export type ClientAct =
  | 'normal'
  | 'slow'
  | 'slow_reader'
  | 'idle'
  | 'gone_in_head'
  | 'gone_in_body'
  | 'gone_waiting'
  | 'gone_in_answer'
  | 'half_close'
  | 'stall_in_body'
  | 'body_too_long'
  | 'junk'
  | 'smuggle'
  | 'upgrade'
  | 'abort'
  | 'body_too_short'
  | 'second_request'
  | 'strange_records';

export interface RequestPlan {
  readonly id: number;
  readonly method: string;
  readonly bodyBytes: number;
  /** No announced length: chunks in HTTP, no CONTENT_LENGTH in FastCGI. */
  readonly chunked: boolean;
}

export interface SessionPlan {
  readonly session: number;
  readonly gateway: GatewayName;
  readonly requests: readonly RequestPlan[];
  /** HTTP only: all requests are written before the first answer is read. */
  readonly pipelined: boolean;
  readonly http10: boolean;
  readonly act: ClientAct;
  /** How far it gets before the act: 0 to 1. */
  readonly share: number;
  readonly by: 'close' | 'reset';
  /** Longest piece that is written at once; 0: all at once. */
  readonly piece: number;
  readonly pauseMs: number;
  /** For what is chosen late: which junk, which smuggling. */
  readonly salt: number;
}

export interface AnswerPlan {
  /** The moment at which the backend acts: request head seen, in the middle of its body, or all of it. */
  readonly moment: 'head' | 'body' | 'whole';
  readonly delayMs: number;
  readonly kind: string;
  readonly length: number;
  /** Share of the answer's bytes that is written; 1: all of it. */
  readonly share: number;
  readonly end: 'finish' | 'close' | 'reset' | 'stall';
  readonly piece: number;
  readonly pauseMs: number;
  /** After a complete answer. `close_on_next`: the keep-alive race. */
  readonly after: 'keep' | 'close' | 'close_later' | 'close_on_next' | 'reset_on_next';
  readonly salt: number;
}

const methods = ['GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'REPORT'];
const bodySizes = [0, 1, 17, 300, 5000, 5000, 40_000, 100_000];
const answerSizes = [0, 1, 25, 25, 700, 700, 5000, 20_000, 20_000, 300_000];
const httpActs: readonly ClientAct[] = [
  ...repeat('normal' as const, 18),
  ...(['slow', 'slow_reader', 'idle', 'gone_in_head', 'gone_in_body', 'gone_waiting', 'gone_in_answer', 'half_close', 'stall_in_body', 'body_too_long', 'junk', 'smuggle', 'upgrade'] as const),
];
const fastcgiActs: readonly ClientAct[] = [
  ...repeat('normal' as const, 18),
  ...(['slow', 'slow_reader', 'idle', 'gone_in_head', 'gone_in_body', 'gone_waiting', 'gone_in_answer', 'half_close', 'stall_in_body'] as const),
  ...(['body_too_long', 'body_too_short', 'junk', 'abort', 'second_request', 'strange_records'] as const),
];
export const httpAnswerKinds = [
  ...repeat('good_length', 10),
  ...repeat('good_chunked', 8),
  ...repeat('good_until_close', 3),
  'good_bare_lf',
  'no_content',
  'not_modified',
  'not_found',
  'app_503',
  'interim',
  'interim_flood',
  'huge_head',
  'many_fields',
  'folded',
  'nul_in_head',
  'junk',
  'fastcgi_bytes',
  'tls_alert',
  'empty',
  'both_lengths',
  'two_lengths',
  'bad_length',
  'length_too_long',
  'extra_after_end',
  'bad_chunk_size',
  'no_chunk_end',
  'long_extension',
  'long_trailer',
  'unasked_101',
  'head_only_start',
];
export const fastcgiAnswerKinds = [
  ...repeat('good', 10),
  ...repeat('good_length', 6),
  'good_padded',
  'good_bare_lf',
  'good_stderr_between',
  'app_status_255',
  'not_found',
  'no_content',
  'only_end',
  'overloaded',
  'cannot_multiplex',
  'unknown_role',
  'odd_status',
  'stderr_only',
  'stderr_flood',
  'head_cut_then_end',
  'end_not_complete',
  'bad_version_first',
  'bad_version_between',
  'wrong_id',
  'unknown_type',
  'management_between',
  'short_end',
  'extra_after_end',
  'length_too_long',
  'http_text',
  'huge_head',
  'bad_head_line',
  'two_lengths',
  'empty',
];

export function planSession(seed: number, session: number): SessionPlan {
  const random = seeded(mixed(seed, session % sameAgain, 0));
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const gateway = pick(gatewayNames);
  const isHttp = isHttpGateway(gateway);
  const act = pick(isHttp ? httpActs : fastcgiActs);
  const count = random(3) > 0 ? 1 : 2 + random(requestsPerSession - 1);
  const http10 = gateway === 'http_tcp' && random(8) === 0; // over a unix socket a cut of HTTP/1.0 cannot be shown
  const requests = Array.from({ length: http10 || act === 'upgrade' ? 1 : count }, (_, n): RequestPlan => {
    const needsBody = act === 'gone_in_body' || act.startsWith('body_') || act === 'stall_in_body' || act === 'smuggle';
    const method = act === 'upgrade' ? 'GET' : needsBody ? pick(['POST', 'PUT', 'PATCH']) : pick(methods);
    const withBody = needsBody || (['POST', 'PUT', 'PATCH'].includes(method) ? random(6) > 0 : act !== 'upgrade' && random(20) === 0);
    return {
      id: session * requestsPerSession + n,
      method,
      bodyBytes: needsBody ? Math.max(17, pick(bodySizes)) : withBody ? pick(bodySizes) : 0,
      chunked: withBody && !http10 && act !== 'body_too_short' && random(3) === 0,
    };
  });
  return {
    session,
    gateway,
    requests,
    pipelined: isHttp && requests.length > 1 && random(2) === 0,
    http10,
    act,
    share: random(1001) / 1000,
    by: random(2) === 0 ? 'close' : 'reset',
    piece: act === 'slow' || random(6) === 0 ? pick([1, 2, 7, 100, 1400, 9000]) : 0,
    pauseMs: act === 'slow' ? 1 + random(4) : 0,
    salt: random(1_000_000),
  };
}

/** What the backend does when it sees request `id` for the `attempt`-th time, counted from 0. */
export function planAnswer(seed: number, id: number, attempt: number): AnswerPlan {
  const { gateway } = planSession(seed, Math.floor(id / requestsPerSession));
  const random = seeded(mixed(seed, id % (sameAgain * requestsPerSession), attempt + 1));
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const cut = random(10) < 3;
  const kind = pick(isHttpGateway(gateway) ? httpAnswerKinds : fastcgiAnswerKinds);
  // without a length the end of the connection is the end of the answer: only a reset can be told from it
  const canOnlyReset = kind === 'good_until_close' || kind === 'good_bare_lf';
  const canReset = gateway.endsWith('_tcp');
  const way = canOnlyReset && isHttpGateway(gateway) ? (canReset ? 'reset' : 'finish') : pick(['close', 'close', 'reset', 'reset', 'stall'] as const);
  return {
    moment: pick(['whole', 'whole', 'whole', 'whole', 'whole', 'whole', 'head', 'body']),
    delayMs: random(4) === 0 ? random(30) : 0,
    kind,
    length: pick(answerSizes),
    share: cut && way !== 'finish' ? random(1000) / 1000 : 1,
    end: cut ? way : 'finish',
    piece: random(4) === 0 ? pick([1, 3, 50, 1000, 10_000]) : 0,
    pauseMs: random(6) === 0 ? random(3) : 0,
    after: pick(['keep', 'keep', 'keep', 'close', 'close_later', 'close_on_next', 'reset_on_next']),
    salt: random(1_000_000),
  };
}

export function isHttpGateway(gateway: GatewayName): boolean {
  return gateway.startsWith('http');
}

/** Methods that a gateway may send again after they were sent (RFC 9110 section 9.2.2). */
export function isIdempotent(method: string): boolean {
  return ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'].includes(method);
}

function mixed(seed: number, a: number, b: number): number {
  return (Math.imul(seed, 0x9e3779b1) ^ Math.imul(a + 0x7f4a7c15, 0x85ebca6b) ^ Math.imul(b + 0x165667b1, 0xc2b2ae35)) | 0;
}

function repeat<T>(value: T, times: number): T[] {
  return Array.from({ length: times }, () => value);
}
