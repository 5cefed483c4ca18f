/** One client of an HTTP gateway: its requests on one connection, the last of them with the planned act. */
import { pause } from './answer-badly.ts';
import { openConnection, type ClientAddress, type ClientConnection } from './client-connection.ts';
import { contentOf } from './content.ts';
import { HttpAnswerReader } from './http-answer-reader.ts';
import { smuggledRequest } from './http-smuggling.ts';
import { nothingSeen, type Observed } from './observed.ts';
import type { RequestPlan, SessionPlan } from './plan.ts';
import { writeInPieces } from './write-in-pieces.ts';

/** Runs the session; one observation for each request, in their order. */
export async function runHttpClient(plan: SessionPlan, address: ClientAddress): Promise<readonly Observed[]> {
  const reader = new HttpAnswerReader(plan.requests.map(({ method }) => method));
  const connection = await openConnection(address, plan, (bytes) => reader.push(bytes));
  if (plan.pipelined) {
    for (const request of plan.requests) await send(request, plan, connection);
    await connection.wait(() => reader.answers.length === plan.requests.length || reader.isLast);
  } else await oneByOne(plan, connection, reader);
  const end = connection.end();
  const answers = [...reader.answers];
  if (answers.length < plan.requests.length) answers.push(reader.rest(end));
  connection.socket.destroy();
  return plan.requests.map((_, n) => answers[n] ?? nothingSeen(end === 'open' ? 'left' : end));
}

async function oneByOne(plan: SessionPlan, connection: ClientConnection, reader: HttpAnswerReader): Promise<void> {
  for (const [n, request] of plan.requests.entries()) {
    await send(request, plan, connection);
    if (plan.act === 'gone_in_answer' && request === plan.requests.at(-1)) {
      await connection.wait(() => reader.bytesOfAnswer >= plan.share * 2000 || reader.answers.length > n);
      await connection.leave();
    } else await connection.wait(() => reader.answers.length > n);
    if (connection.end() !== 'open' || (reader.isLast && !(await tunnelled(plan, connection, reader)))) return;
  }
}

async function send(request: RequestPlan, plan: SessionPlan, connection: ClientConnection): Promise<void> {
  const { socket } = connection;
  const act = request === plan.requests.at(-1) ? plan.act : 'normal';
  const head = headOf(request, plan, act);
  const body = bodyOf(request);
  const write = (bytes: Buffer): Promise<void> => writeInPieces(socket, bytes, plan);
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
      await write(Buffer.concat([head, body.subarray(0, Math.floor(plan.share * (body.length - 1)))]));
      if (act === 'stall_in_body') return;
      await pause(plan.salt % 30);
      return connection.leave();
    case 'gone_waiting':
      await write(Buffer.concat([head, body]));
      await pause(plan.salt % 60);
      return connection.leave();
    case 'half_close':
      await write(Buffer.concat([head, body]));
      return void socket.end();
    case 'body_too_long':
      return write(Buffer.concat([head, body, Buffer.from('xyz'.repeat(1 + (plan.salt % 50)))]));
    case 'junk':
      return write(junk[plan.salt % junk.length]!(request.id));
    case 'smuggle':
      return write(smuggledRequest(request, plan.salt));
    default:
      return write(Buffer.concat([head, body]));
  }
}

function headOf({ id, method, bodyBytes, chunked }: RequestPlan, { http10 }: SessionPlan, act: string): Buffer {
  const framing = chunked ? 'Transfer-Encoding: chunked\r\n' : bodyBytes > 0 || method === 'POST' ? `Content-Length: ${bodyBytes}\r\n` : '';
  const upgrade = act === 'upgrade' ? 'Connection: Upgrade\r\nUpgrade: echo\r\n' : '';
  return Buffer.from(`${method} /fuzz HTTP/1.${http10 ? 0 : 1}\r\nHost: fuzz\r\nX-Fuzz: ${id}\r\nX-Request-Id: fuzz-${id}\r\nAccept: application/json\r\n${upgrade}${framing}\r\n`);
}

function bodyOf({ id, bodyBytes, chunked }: RequestPlan): Buffer {
  const content = contentOf(id, bodyBytes);
  if (!chunked) return content;
  const parts: Buffer[] = [];
  const size = Math.max(1 + (id % 8000), Math.ceil(bodyBytes / 100));
  for (let at = 0; at < bodyBytes; at += size) {
    const part = content.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** After a 101: some bytes through the tunnel and back. False, because no request follows in any case. */
async function tunnelled(plan: SessionPlan, { socket, wait }: ClientConnection, reader: HttpAnswerReader): Promise<false> {
  if (reader.answers.at(-1)?.status !== 101) return false;
  const before = socket.bytesRead;
  const said = contentOf(plan.session, 1 + (plan.salt % 3000));
  socket.write(said);
  await wait(() => socket.bytesRead >= before + said.length);
  return false;
}

const junk: readonly ((id: number) => Buffer)[] = [
  () => Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'latin1'),
  () => Buffer.from('GET /fuzz HTTP/9.9\r\nHost: a\r\n\r\n'),
  () => Buffer.from('\0'.repeat(100)),
  () => Buffer.from(`GET /fuzz HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(200_000)}\r\n\r\n`),
  () => Buffer.from('CONNECT fuzz:80 HTTP/1.1\r\nHost: fuzz:80\r\n\r\n'),
  () => Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  () => Buffer.from('GET /fuzz HTTP/1.1\nHost a\n\n'),
  (id) => Buffer.from(`POST /fuzz HTTP/1.1\r\nHost: a\r\nX-Fuzz: ${id}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`),
];
