/** The records of each kind of answer that a FastCGI backend can give, right and wrong ones. No code of the codec under test. */
import { contentOf } from './content.ts';
import type { WireAnswer } from './http-answers.ts';
import { forgedId, type AnswerPlan } from './plan.ts';

export const wireType = { begin: 1, abort: 2, end: 3, params: 4, stdin: 5, stdout: 6, stderr: 7, getValues: 9 } as const;

/** The whole answer; how much of it is written is the plan's `share`. */
export function fastcgiAnswer(plan: AnswerPlan, id: number, method: string): WireAnswer {
  const { length, salt } = plan;
  const content = contentOf(id, length);
  const body = method === 'HEAD' ? Buffer.alloc(0) : content;
  const plain = stdout(head(id, length));
  const whole = [...records(wireType.stdout, body, salt), record(wireType.stdout, Buffer.alloc(0))];
  const good = (first: Buffer, ...rest: readonly Buffer[]): WireAnswer => wire(first, [...rest, end()], true);
  const broken = (first: Buffer, ...rest: readonly Buffer[]): WireAnswer => wire(first, rest, false);
  switch (plan.kind) {
    case 'good':
      return good(plain, ...whole);
    case 'good_length':
      return good(stdout(head(id, length, `Content-Length: ${length}\r\n`)), ...whole);
    case 'good_padded':
      return good(record(wireType.stdout, Buffer.from(head(id, length)), { padding: 255 }), ...records(wireType.stdout, body, salt, 1 + (salt % 255)));
    case 'good_bare_lf':
      return good(stdout(head(id, length).replaceAll('\r\n', '\n')), ...whole);
    case 'good_stderr_between':
      return good(Buffer.concat([stderr('PHP Warning: before'), plain, stderr('PHP Warning: between')]), ...whole, stderr('after'));
    case 'app_status_255':
      return wire(plain, [...whole, end(0, 255)], true);
    case 'not_found':
      return good(stdout(head(id, length, 'Status: 404 Not Found\r\n')), ...whole);
    case 'no_content':
      return good(stdout(head(id, 0, 'Status: 204 No Content\r\n')));
    case 'only_end':
      return none(end());
    case 'overloaded':
      return none(end(2));
    case 'cannot_multiplex':
      return none(end(1));
    case 'unknown_role':
      return none(end(3));
    case 'odd_status':
      return none(end(77));
    case 'stderr_only':
      return none(stderr('PHP Fatal error: it is over'), end(0, 255));
    case 'stderr_flood':
      return good(Buffer.concat([...Array.from({ length: 40 }, () => stderr('e'.repeat(5000))), plain]), ...whole);
    case 'head_cut_then_end':
      return none(stdout(`Status: 200 OK\r\nX-Fuzz-Id: ${id}\r\nX-Fu`), end());
    case 'end_not_complete':
      return broken(plain, ...whole, end(1 + (salt % 3)));
    case 'bad_version_first':
      return none(Buffer.from([0, 6, 0, 1, 0, 0, 0, 0]));
    case 'bad_version_between':
      return broken(plain, ...records(wireType.stdout, body, salt), Buffer.from([2, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), end());
    case 'wrong_id':
      return broken(plain, record(wireType.stdout, Buffer.from('not yours'), { requestId: 2 }), ...whole, end());
    case 'unknown_type':
      return broken(plain, record(42, Buffer.from('what')), ...whole, end());
    case 'management_between':
      return good(plain, record(10, Buffer.alloc(0), { requestId: 0 }), record(11, Buffer.alloc(8), { requestId: 0 }), ...whole);
    case 'short_end':
      return broken(plain, ...whole, record(wireType.end, Buffer.alloc(salt % 8)));
    case 'extra_after_end':
      return broken(plain, ...whole, end(), stdout(head(forgedId, 0)), end());
    case 'length_too_long':
      return broken(stdout(head(id, length + 100, `Content-Length: ${length + 100}\r\n`)), ...whole, end());
    case 'huge_head':
      return broken(Buffer.concat(records(wireType.stdout, Buffer.from(head(id, length, `X-Huge: ${'h'.repeat(200_000)}\r\n`)), salt)), ...whole, end());
    case 'bad_head_line':
      return broken(stdout(head(id, length, 'no colon here\r\n')), ...whole, end());
    case 'two_lengths':
      return broken(stdout(head(id, length, `Content-Length: ${length}\r\nContent-Length: ${length + 1}\r\n`)), ...whole, end());
    case 'http_text':
      return none(Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'));
    default:
      return none();
  }
}

/** Kinds by which the backend says that it did not take the request: any method may come again. */
export function saysNotTaken({ kind, share }: AnswerPlan): boolean {
  return share === 1 && (kind === 'overloaded' || kind === 'cannot_multiplex');
}

export function record(type: number, content: Buffer, { requestId = 1, padding = 0 }: { readonly requestId?: number; readonly padding?: number } = {}): Buffer {
  const header = Buffer.from([1, type, requestId >> 8, requestId & 255, content.length >> 8, content.length & 255, padding, 0]);
  return Buffer.concat([header, content, Buffer.alloc(padding, 0xee)]);
}

/** Content as records of a size that `salt` decides; none for no content. */
export function records(type: number, content: Buffer, salt: number, padding = 0): Buffer[] {
  const size = Math.min(65_535, Math.max(1 + (salt % 20_000), Math.ceil(content.length / 100)));
  const list: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) list.push(record(type, content.subarray(at, at + size), { padding }));
  return list;
}

function head(id: number, length: number, fields = ''): string {
  return `${fields}X-Fuzz-Id: ${id}\r\nX-Fuzz-Length: ${length}\r\nContent-Type: text/plain\r\n\r\n`;
}

const stdout = (text: string): Buffer => record(wireType.stdout, Buffer.from(text));
const stderr = (text: string): Buffer => record(wireType.stderr, Buffer.from(text));
const end = (protocolStatus = 0, appStatus = 0): Buffer => record(wireType.end, Buffer.from([0, 0, 0, appStatus, protocolStatus, 0, 0, 0]));

function wire(first: Buffer, rest: readonly Buffer[], keepable: boolean): WireAnswer {
  return { bytes: Buffer.concat([first, ...rest]), headEnd: first.length, keepable };
}

function none(...parts: readonly Buffer[]): WireAnswer {
  return { bytes: Buffer.concat(parts), headEnd: Infinity, keepable: false };
}
