/**
 * The invariants. Whatever happened, a request ends in one of: the backend's whole answer, a cut that the client can
 * see, a page of ours, or, for clients who broke the rules or left, nothing. And it was executed once, or at most once
 * more where its method allows that.
 */
import { belongsTo } from './content.ts';
import type { BackendEvent } from './messages.ts';
import type { Observed } from './observed.ts';
import { isHttpGateway, isIdempotent, type RequestPlan, type SessionPlan } from './plan.ts';

export type Verdict = 'whole answer' | 'visible cut' | 'our page' | 'refused' | 'client left';

/** Acts after which a client has no right to an answer. */
const rightless = new Set(['junk', 'smuggle', 'half_close', 'abort', 'body_too_long', 'body_too_short', 'strange_records', 'second_request']);
const hasLeft = new Set(['idle', 'gone_in_head', 'gone_in_body', 'gone_waiting', 'gone_in_answer']);
const refusals = new Set([400, 408, 411, 413, 414, 417, 421, 426, 431, 500, 501, 503, 505]);

interface Record {
  readonly what: string;
  readonly idempotent: boolean;
  begun: number;
  reused: boolean;
  headWritten: boolean;
  /** Its page said that it was surely not processed. */
  deniedByPage: boolean;
  /** It was cut before a byte of an answer came: only right if the backend had written a head. */
  cutInSilence: boolean;
}

export class Judge {
  readonly verdicts = new Map<Verdict, number>();
  readonly violations: string[] = [];
  #records = new Map<number, Record>();

  /** Before its first byte is sent. */
  expect(plan: SessionPlan): void {
    for (const request of plan.requests)
      this.#records.set(request.id, { what: describe(request, plan), idempotent: isIdempotent(request.method), begun: 0, reused: false, headWritten: false, deniedByPage: false, cutInSilence: false });
  }

  hear(event: BackendEvent): void {
    const [what, id] = event;
    const record = this.#records.get(id);
    if (!record) return this.#violate(`the backend executed ${id}, which nobody had sent`);
    if (what === 'head') record.headWritten = true;
    else {
      record.begun += 1;
      record.reused ||= event[2];
      // one replay; and a free one where a kept connection was closed under the request
      const most = record.idempotent ? (record.reused ? 3 : 2) : 1;
      if (record.begun > most) this.#violate(`executed ${record.begun} times: ${record.what}`);
    }
  }

  /** After the session, the answers in the order of its requests. */
  see(plan: SessionPlan, answers: readonly Observed[]): void {
    let over = false;
    for (const [n, request] of plan.requests.entries()) {
      const isLast = n === plan.requests.length - 1;
      const answer = answers[n]!;
      const verdict = over && !answer.began ? 'client left' : this.#verdict(answer, request, { plan, act: isLast || plan.pipelined ? plan.act : 'normal' });
      if (typeof verdict === 'string') this.verdicts.set(verdict, (this.verdicts.get(verdict) ?? 0) + 1);
      else this.#violate(`${verdict.problem}: ${describe(request, plan)}; seen: ${show(answer)}`);
      over ||= answer.whole !== 'yes' || (answer.fields.get('connection') ?? '').toLowerCase() === 'close';
    }
  }

  /** When the backend has told everything: what needs both sides to be judged. */
  conclude(): void {
    for (const record of this.#records.values()) {
      if (record.cutInSilence && !record.headWritten) this.#violate(`the connection ended without an answer, and the backend had given none: ${record.what}`);
      if (record.deniedByPage && record.begun > 0) this.#violate(`the page denied that it may have been processed: ${record.what}`);
    }
    this.#records.clear();
  }

  violate(what: string): void {
    this.#violate(what);
  }

  #violate(what: string): void {
    this.violations.push(what);
  }

  #verdict(answer: Observed, request: RequestPlan, { plan, act }: { readonly plan: SessionPlan; readonly act: string }): Verdict | { readonly problem: string } {
    const left = hasLeft.has(act) || rightless.has(act);
    if (answer.problem !== undefined) return { problem: answer.problem };
    if (answer.end === 'time_out') return { problem: 'no answer for ten seconds' };
    const ours = (answer.fields.get('proxy-status') ?? '').startsWith('goodgateway');
    if (ours) return this.#page(answer, request, left);
    const id = answer.fields.get('x-fuzz-id');
    if (id !== undefined && id !== String(request.id)) return { problem: `the answer belongs to request ${id}` };
    if (id !== undefined) return this.#backendsAnswer(answer, request, { plan, left });
    if (answer.status !== 0 && (!left || !refusals.has(answer.status))) return { problem: `an answer of nobody, status ${answer.status}` };
    if (answer.status !== 0) return 'refused';
    if (left) return hasLeft.has(act) ? 'client left' : 'refused';
    if (answer.whole === 'yes' || answer.end === 'open') return { problem: 'an empty answer that looks whole' };
    this.#records.get(request.id)!.cutInSilence = true;
    return 'visible cut';
  }

  #page({ status, body, whole, end }: Observed, { id, method }: RequestPlan, left: boolean): Verdict | { readonly problem: string } {
    if (status < 400) return { problem: `a page of ours with status ${status}` };
    // who leaves, or sends what nobody asked for until it is reset, may lose it
    if (whole === 'no' && !left && end !== 'left') return { problem: 'our own page was cut' };
    const record = this.#records.get(id);
    const saysNotProcessed = body.includes('"may_have_been_processed":false');
    if (record && saysNotProcessed && !['GET', 'HEAD', 'OPTIONS', 'TRACE'].includes(method)) record.deniedByPage = true;
    return 'our page';
  }

  #backendsAnswer(answer: Observed, { id, method }: RequestPlan, { plan, left }: { readonly plan: SessionPlan; readonly left: boolean }): Verdict | { readonly problem: string } {
    if (!belongsTo(id, answer.body)) return { problem: 'the body is not what belongs to the request' };
    // the last word to an ABORT_REQUEST is an END_REQUEST, too, wherever the answer was
    if (plan.act === 'abort' && left) return 'refused';
    if (answer.whole === 'no') {
      const seenAsCut = isHttpGateway(plan.gateway) || answer.end !== 'fin' || left;
      return answer.end === 'left' ? 'client left' : seenAsCut ? 'visible cut' : { problem: 'the answer broke off without END_REQUEST, by a clean end' };
    }
    const bodyless = method === 'HEAD' || answer.status === 101 || answer.status === 204 || answer.status === 304;
    const announced = Number(answer.fields.get('x-fuzz-length'));
    if (!bodyless && answer.body.length !== announced) return { problem: `${answer.body.length} of ${announced} bytes came, and looked whole` };
    return 'whole answer';
  }
}

export function describe(request: RequestPlan, { gateway, session, act, pipelined, http10, share, by, piece }: SessionPlan): string {
  const how = [pipelined ? 'pipelined' : '', http10 ? 'HTTP/1.0' : '', piece > 0 ? `pieces of ${piece}` : ''].filter(Boolean).join(', ');
  return `request ${request.id} of session ${session} on ${gateway}: ${request.method}, ${request.bodyBytes} bytes${request.chunked ? ' without a length' : ''}, client ${act} (share ${share}, ${by})${how && `, ${how}`}`;
}

function show({ status, fields, body, whole, end }: Observed): string {
  const names = ['x-fuzz-id', 'x-fuzz-length', 'content-length', 'proxy-status'].flatMap((name) => (fields.has(name) ? [`${name}: ${fields.get(name)}`] : []));
  return `status ${status}, ${names.join(', ')}, ${body.length} bytes, whole: ${whole}, end: ${end}`;
}
