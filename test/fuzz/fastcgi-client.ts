/** One client of a FastCGI gateway, as nginx is one, and as nobody should be. Shares no codec with the proxy. */
import { pause } from './answer-badly.ts';
import { openConnection, type ClientAddress, type ClientConnection } from './client-connection.ts';
import { contentOf } from './content.ts';
import { FastcgiAnswerReader } from './fastcgi-answer-reader.ts';
import { record, records, wireType } from './fastcgi-answers.ts';
import { nothingSeen, type Observed } from './observed.ts';
import type { RequestPlan, SessionPlan } from './plan.ts';
import { writeInPieces } from './write-in-pieces.ts';

/** Runs the session; one observation for each request, in their order. */
export async function runFastcgiClient(plan: SessionPlan, address: ClientAddress): Promise<readonly Observed[]> {
  const reader = new FastcgiAnswerReader(plan.requests.map(({ method }) => method));
  const connection = await openConnection(address, plan, (bytes) => reader.push(bytes));
  for (const [n, request] of plan.requests.entries()) {
    await send(request, plan, connection);
    if (plan.act === 'gone_in_answer' && request === plan.requests.at(-1)) {
      await connection.wait(() => reader.bytesOfAnswer >= plan.share * 2000 || reader.answers.length > n || reader.broken);
      await connection.leave();
    } else await connection.wait(() => reader.answers.length > n || reader.broken);
    if (connection.end() !== 'open' || reader.broken) break;
  }
  const end = reader.broken ? 'bad_record' : connection.end();
  const answers = [...reader.answers];
  if (answers.length < plan.requests.length) answers.push(reader.rest(end));
  connection.socket.destroy();
  return plan.requests.map((_, n) => answers[n] ?? nothingSeen(end === 'open' ? 'left' : end));
}

async function send(request: RequestPlan, plan: SessionPlan, connection: ClientConnection): Promise<void> {
  const { socket } = connection;
  const isLast = request === plan.requests.at(-1);
  const act = isLast ? plan.act : 'normal';
  const head = headOf(request, plan, !isLast || plan.salt % 2 === 0);
  const content = contentOf(request.id, request.bodyBytes + (act === 'body_too_long' ? 50 : 0));
  const body = Buffer.concat(records(wireType.stdin, content, plan.salt, plan.salt % 9));
  const stdinEnd = record(wireType.stdin, Buffer.alloc(0));
  const write = (...parts: readonly Buffer[]): Promise<void> => writeInPieces(socket, Buffer.concat(parts), plan);
  switch (act) {
    case 'idle':
      await pause(plan.salt % 100);
      return connection.leave();
    case 'gone_in_head':
      await write(head.subarray(0, Math.floor(plan.share * head.length)));
      await pause(plan.salt % 30);
      return connection.leave();
    case 'gone_in_body':
    case 'stall_in_body':
      // not inside the first header: without CONTENT_LENGTH that is still a head that does not come
      await write(head, body.subarray(0, Math.max(8, Math.floor(plan.share * body.length))));
      if (act === 'stall_in_body') return;
      await pause(plan.salt % 30);
      return connection.leave();
    case 'gone_waiting':
      await write(head, body, stdinEnd);
      await pause(plan.salt % 60);
      return connection.leave();
    case 'half_close':
      await write(head, body, stdinEnd);
      return void socket.end();
    case 'body_too_short':
      return write(head, ...records(wireType.stdin, content.subarray(0, Math.floor(plan.share * (content.length - 1))), plan.salt), stdinEnd);
    case 'junk':
      return write(junk[plan.salt % junk.length]!);
    case 'abort':
      await write(head, body, ...(plan.salt % 2 === 0 ? [stdinEnd] : []));
      await pause(plan.salt % 30);
      return write(record(wireType.abort, Buffer.alloc(0)));
    case 'second_request':
      return write(head, record(wireType.begin, Buffer.from([0, 1, 1, 0, 0, 0, 0, 0]), { requestId: 2 }), body, stdinEnd);
    case 'strange_records':
      return write(
        record(wireType.getValues, Buffer.from([15, 0, ...Buffer.from('FCGI_MPXS_CONNS')]), { requestId: 0 }),
        record(77, Buffer.from('what'), { requestId: 0 }),
        head,
        record(8, Buffer.from('data'), { requestId: 9 }),
        body,
        stdinEnd,
      );
    default:
      return write(head, body, stdinEnd);
  }
}

function headOf({ id, method, bodyBytes, chunked }: RequestPlan, { salt }: SessionPlan, keep: boolean): Buffer {
  const params: Record<string, string> = {
    REQUEST_METHOD: method,
    REQUEST_URI: '/fuzz',
    SCRIPT_FILENAME: '/srv/fuzz.php',
    CONTENT_LENGTH: chunked || (bodyBytes === 0 && id % 2 === 0) ? '' : String(bodyBytes),
    HTTP_X_FUZZ: String(id),
    HTTP_X_REQUEST_ID: `fuzz-${id}`, // the proxy's log speaks of it so
    HTTP_ACCEPT: 'application/json',
    ...(salt % 7 === 0 ? { HTTP_COOKIE: 'c'.repeat(salt % 9000) } : {}),
    REMOTE_ADDR: '192.0.2.7',
  };
  const pairs = Object.entries(params).map(([name, value]) => Buffer.concat([lengthOf(name), lengthOf(value), Buffer.from(name + value)]));
  return Buffer.concat([record(wireType.begin, Buffer.from([0, 1, keep ? 1 : 0, 0, 0, 0, 0, 0])), ...records(wireType.params, Buffer.concat(pairs), salt), record(wireType.params, Buffer.alloc(0))]);
}

function lengthOf(text: string): Buffer {
  return text.length < 128 ? Buffer.from([text.length]) : Buffer.from([0x80, 0, text.length >> 8, text.length & 255]);
}

const begin = record(wireType.begin, Buffer.from([0, 1, 1, 0, 0, 0, 0, 0]));
const junk = [
  Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  Buffer.alloc(64),
  Buffer.concat([begin, begin]),
  record(wireType.begin, Buffer.from([0, 3, 1, 0, 0, 0, 0, 0])), // the Filter role
  record(wireType.begin, Buffer.from([0, 1])),
  Buffer.concat([begin, record(wireType.params, Buffer.from([255, 255, 255, 255, 1])), record(wireType.params, Buffer.alloc(0))]),
  Buffer.concat([begin, record(wireType.params, Buffer.alloc(0)), record(wireType.stdin, Buffer.alloc(0))]),
  Buffer.concat([begin, record(wireType.stdin, Buffer.from('before the params'))]),
  Buffer.concat([begin, record(wireType.stdout, Buffer.from('the wrong way'))]),
  Buffer.concat([begin, Buffer.from([7, 4, 0, 1, 0, 0, 0, 0])]),
];
