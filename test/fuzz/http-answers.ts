/** The bytes of each kind of answer that an HTTP backend can give, right and wrong ones. */
import { contentOf } from './content.ts';
import { forgedId, type AnswerPlan } from './plan.ts';

export interface WireAnswer {
  readonly bytes: Buffer;
  /** Where the head ended, if it did. */
  readonly headEnd: number;
  /** The answer is whole, and the connection could carry another. */
  readonly keepable: boolean;
}

const forged = `HTTP/1.1 200 OK\r\nX-Fuzz-Id: ${forgedId}\r\nX-Fuzz-Length: 0\r\nContent-Length: 0\r\n\r\n`;

/** The whole answer; how much of it is written is the plan's `share`. */
export function httpAnswer(plan: AnswerPlan, id: number, method: string): WireAnswer {
  const { length } = plan;
  const content = contentOf(id, length);
  const body = method === 'HEAD' ? Buffer.alloc(0) : content;
  const whole = (fields: string, sent: Buffer | string, status = '200 OK'): WireAnswer => wire(head(id, length, fields, status), sent, true);
  const broken = (fields: string, sent: Buffer | string): WireAnswer => wire(head(id, length, fields), sent, false);
  const sized = `Content-Length: ${length}\r\n`;
  const chunkedField = 'Transfer-Encoding: chunked\r\n';
  switch (plan.kind) {
    case 'good_length':
      return whole(sized, body);
    case 'good_chunked':
      return whole(chunkedField, method === 'HEAD' ? '' : chunked(content, plan.salt));
    case 'good_until_close':
      return broken('', body);
    case 'good_bare_lf':
      return wire(Buffer.from(head(id, length, '').toString('latin1').replaceAll('\r\n', '\n').replace('1.1', '1.0')), body, false);
    case 'no_content':
      return wire(head(id, 0, '', '204 No Content'), '', true);
    case 'not_modified':
      return whole(sized, '', '304 Not Modified');
    case 'not_found':
      return whole(sized, body, '404 Not Found');
    case 'app_503':
      return whole(`${sized}Retry-After: 1\r\n`, body, '503 Service Unavailable');
    case 'interim':
      return before(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n`, whole(sized, body));
    case 'interim_flood':
      return before('HTTP/1.1 103 Early Hints\r\nX-Fuzz-Id: 1\r\n\r\n'.repeat(150), whole(sized, body));
    case 'huge_head':
      return broken(`X-Huge: ${'h'.repeat(200_000)}\r\n${sized}`, body);
    case 'many_fields':
      return whole(`${'X-Many: 1\r\n'.repeat(400)}${sized}`, body);
    case 'folded':
      return broken(`X-Folded: a\r\n b\r\n${sized}`, body);
    case 'nul_in_head':
      return broken(`X-Nul: a\0b\r\n${sized}`, body);
    case 'both_lengths':
      return broken(sized + chunkedField, chunked(content, plan.salt));
    case 'two_lengths':
      return broken(`${sized}Content-Length: ${length + 1}\r\n`, body);
    case 'bad_length':
      return broken(`Content-Length: ${['-1', '+5', '0x10', '1e3', '', '99999999999999999999'][plan.salt % 6]}\r\n`, body);
    case 'length_too_long':
      return wire(head(id, length + 100, `Content-Length: ${length + 100}\r\n`), body, false);
    case 'extra_after_end':
      return broken(sized, Buffer.concat([body, Buffer.from(forged)]));
    case 'bad_chunk_size':
      return broken(chunkedField, ['zz\r\n', '+2\r\nab\r\n', '0x2\r\nab\r\n', ' 2\r\nab\r\n', 'fffffffff\r\n', '\r\n'][plan.salt % 6]!);
    case 'no_chunk_end':
      return broken(chunkedField, Buffer.concat([Buffer.from(`${length.toString(16)}\r\n`), content, Buffer.from('X')]));
    case 'long_extension':
      return broken(chunkedField, `1;a=${'e'.repeat(40_000)}\r\nx\r\n0\r\n\r\n`);
    case 'long_trailer':
      return broken(chunkedField, `0\r\nX-Trailer: ${'t'.repeat(40_000)}\r\n\r\n`);
    case 'unasked_101':
      return wire(Buffer.from(`HTTP/1.1 101 Switching Protocols\r\nX-Fuzz-Id: ${id}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`), forged, false);
    default:
      return { bytes: strangers[plan.kind] ?? Buffer.alloc(0), headEnd: Infinity, keepable: false };
  }
}

const strangers: Readonly<Record<string, Buffer>> = {
  junk: Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
  fastcgi_bytes: Buffer.from([1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  tls_alert: Buffer.from([0x15, 3, 1, 0, 2, 2, 10]),
  head_only_start: Buffer.from('HTTP/1.1 200 OK\r\nX-Fuzz'),
};

function head(id: number, length: number, fields: string, status = '200 OK'): Buffer {
  return Buffer.from(`HTTP/1.1 ${status}\r\nX-Fuzz-Id: ${id}\r\nX-Fuzz-Length: ${length}\r\n${fields}\r\n`);
}

function wire(headBytes: Buffer, body: Buffer | string, keepable: boolean): WireAnswer {
  return { bytes: Buffer.concat([headBytes, Buffer.from(body)]), headEnd: headBytes.length, keepable };
}

function before(interim: string, answer: WireAnswer): WireAnswer {
  return { ...answer, bytes: Buffer.concat([Buffer.from(interim), answer.bytes]), headEnd: interim.length + answer.headEnd };
}

/** In chunks of a size that `salt` decides, now and then with an extension and a trailer. */
function chunked(content: Buffer, salt: number): Buffer {
  const size = Math.max(1 + (salt % 9000), Math.ceil(content.length / 200));
  const parts: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) {
    const part = content.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}${salt % 5 === 0 ? ';a=b' : ''}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from(`0\r\n${salt % 7 === 0 ? 'X-Trailer: 1\r\n' : ''}\r\n`)]);
}
