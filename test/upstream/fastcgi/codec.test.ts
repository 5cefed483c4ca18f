import t from 'tap';
import { CgiHeadReader, maxHeadBytes, type HeadProgress } from '../../../src/upstream/fastcgi/head.ts';
import { areWellFormed, decodeParams, encodeParams, findParam, withoutParam } from '../../../src/upstream/fastcgi/params.ts';
import { encodeEndRequest, encodeRecord, encodeRequestStart, encodeStreamEnd, RecordParser, recordType, writeContent } from '../../../src/upstream/fastcgi/record.ts';
import { RecordCollector } from '../../fixtures/fastcgi/records.ts';
import { seeded } from '../../fixtures/fastcgi/seeded.ts';

function padded(record: Buffer, padding: number): Buffer {
  const copy = Buffer.concat([record, Buffer.alloc(padding, 0xaa)]);
  copy[6] = padding;
  return copy;
}

t.test('the same bytes give the same records, however they are split', (t) => {
  const random = seeded(20260601);
  for (let round = 0; round < 200; round++) {
    const expected = Array.from({ length: 1 + random(8) }, () => ({ type: 1 + random(11), id: random(65536), content: Buffer.alloc(random(4) === 0 ? 0 : random(700), random(256)) }));
    const bytes = Buffer.concat(expected.map(({ type, id, content }) => padded(encodeRecord(type, id, content), random(9))));
    const collector = new RecordCollector();
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random(round % 3 === 0 ? 3 : 900);
      const piece = bytes.subarray(at, at + size);
      if (collector.parser.push(piece) !== piece.length) t.fail(`round ${round}: bytes were left over`);
      at += size;
    }
    t.same(collector.records, expected, { diagnostic: false });
  }
  t.end();
});

t.test('a handler that takes less stops the parser there, and gets the rest again', (t) => {
  const got: string[] = [];
  const parser = new RecordParser({ begin: () => undefined, content: (piece) => (got.push(piece.toString()), Math.min(2, piece.length)) });
  let rest = encodeRecord(recordType.stdin, 1, Buffer.from('abcde'));
  const lengths: number[] = [];
  while (rest.length > 0) {
    lengths.push(rest.length);
    rest = rest.subarray(parser.push(rest));
  }
  t.same(got, ['abcde', 'cde', 'e']);
  t.same(lengths, [13, 3, 1]);
  t.end();
});

t.test('bytes of another protocol break the parser at their first byte, whole or split', (t) => {
  for (const text of ['HTTP/1.1 400 Bad Request\r\n', 'H', '\0']) {
    const { parser } = new RecordCollector();
    parser.push(Buffer.from(text));
    t.ok(parser.broken, JSON.stringify(text));
  }
  const { parser, records } = new RecordCollector();
  parser.push(Buffer.concat([encodeStreamEnd(recordType.stdout, 1), Buffer.from([1, 6, 0])]));
  t.notOk(parser.broken);
  parser.push(Buffer.from([1, 0, 0, 0, 0, 2]));
  t.ok(parser.broken, 'the record after the two good ones');
  t.equal(records.length, 2);
  t.end();
});

t.test('content longer than one record is sent as several, and requests are framed as php-fpm expects', (t) => {
  const collector = new RecordCollector();
  writeContent((bytes) => collector.parser.push(bytes) === bytes.length, { type: recordType.stdout, requestId: 7 }, Buffer.alloc(150_000, 'x'));
  t.same(
    collector.records.map(({ content }) => content.length),
    [65535, 65535, 18930],
  );

  const params = encodeParams([['LONG', 'y'.repeat(70_000)]]);
  for (const hasBody of [true, false]) {
    const { parser, records } = new RecordCollector();
    parser.push(encodeRequestStart({ requestId: 1, role: 1, params, hasBody, keepConnection: hasBody }));
    t.same(
      records.map(({ type, content }) => [type, content.length]),
      [[1, 8], [4, 65535], [4, params.length - 65535], [4, 0], ...(hasBody ? [] : [[5, 0]])],
    );
    t.same(records[0]!.content, Buffer.from([0, 1, hasBody ? 1 : 0, 0, 0, 0, 0, 0]), 'responder, and the connection is kept where that was asked for');
    t.same(Buffer.concat(records.slice(1, 3).map(({ content }) => content)), params);
  }
  t.same(encodeEndRequest(258, 2), Buffer.from([1, 3, 1, 2, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]));
  t.end();
});

t.test('params are found, taken out and decoded; lengths that lie are not well formed', (t) => {
  const pairs = [
    ['A', ''],
    ['HTTP_PROXY', 'http://evil/'],
    ['LONG', 'v'.repeat(300)],
    ['N'.repeat(200), 'caf\xe9'],
    ['A', 'second'],
    ['HTTP_PROXY_X', 'kept'],
  ] as const;
  const params = encodeParams(pairs);
  t.same(decodeParams(params), pairs);
  t.equal(findParam(params, 'A'), '', 'the first of two');
  t.equal(findParam(params, 'N'.repeat(200)), 'caf\xe9');
  t.equal(findParam(params, 'HTTP_'), undefined);
  t.same(
    decodeParams(withoutParam(params, 'HTTP_PROXY')),
    pairs.filter(([name]) => name !== 'HTTP_PROXY'),
  );
  t.equal(withoutParam(params, 'ABSENT'), params, 'no copy where nothing is taken out');

  const random = seeded(7);
  for (let round = 0; round < 2000; round++) {
    const junk = Buffer.from(Array.from({ length: random(40) }, () => random(256)));
    t.equal(areWellFormed(junk), decodeParams(junk) !== undefined, { diagnostic: false });
    const cut = decodeParams(params.subarray(0, random(params.length)));
    if (cut) t.same(cut, pairs.slice(0, cut.length), 'a cut is not well formed, or falls between two pairs');
  }
  for (const lie of [[5], [1, 1, 65], [0x80, 0, 0], [0xff, 0xff, 0xff, 0xff, 0], [1, 0x80, 0, 0, 9, 65]]) t.notOk(areWellFormed(Buffer.from(lie)), String(lie));
  t.end();
});

function readHead(text: string, size: number): HeadProgress {
  const reader = new CgiHeadReader();
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += size) {
    const found = reader.push(bytes.subarray(at, at + size));
    if (found.kind !== 'incomplete') return found;
  }
  return { kind: 'incomplete' };
}

t.test('a CGI head gives status, fields and length, in any pieces', (t) => {
  const rows: [text: string, status: number, rawHeaders: string[], contentLength?: number][] = [
    ['Content-type: text/html\r\n\r\n', 200, ['Content-type', 'text/html']],
    ['Status: 404 Not Found\nX-A:  b \nx-a: c\n\n', 404, ['X-A', 'b', 'x-a', 'c']],
    ['Location: /there\r\n\r\n', 302, ['Location', '/there']],
    ['Location: /there\nStatus: 201\n\r\n', 201, ['Location', '/there']],
    ['Content-Length: 12\r\nContent-Length: 12\r\n\r\n', 200, ['Content-Length', '12'], 12],
    ['Connection: close\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=1\r\nSet-Cookie: b=\xe9\r\n\r\n', 200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=\xe9']],
    ['\r\n', 200, []],
    ['\n', 200, []],
  ];
  for (const [text, status, rawHeaders, contentLength] of rows) {
    for (const size of [1, 2, 3, 7, 10_000]) {
      const found = readHead(`${text}body`, size);
      if (found.kind !== 'complete') t.fail(`${JSON.stringify(text)} in pieces of ${size}: ${found.kind}`);
      else t.same([found.head, 'body'.startsWith(found.rest.toString())], [{ status, rawHeaders, contentLength }, true], `${JSON.stringify(text)} in pieces of ${size}`);
    }
  }
  t.equal(readHead('Status: 200 O', 1).kind, 'incomplete', 'a head that never completes is only that');
  t.end();
});

t.test('a head that two readers could understand differently is refused with its reason', (t) => {
  const rows: [text: string, says: RegExp][] = [
    ['HTTP/1.1 200 OK\r\n\r\n', /expected a header line.*HTTP\/1\.1 200 OK/],
    ['X-A: b\r\n folded\r\n\r\n', /expected a header line.* folded/],
    ['X-A: a\0b\r\n\r\n', /expected a header line/],
    ['X-A: a\rb\r\n\r\n', /expected a header line/],
    ['Status: 99 No\r\n\r\n', /final status/],
    ['Status: 103 Early Hints\r\n\r\n', /final status/],
    ['Content-Length: 2\r\nContent-Length: 3\r\n\r\n', /two values of Content-Length, 2 and 3/],
    ['Content-Length: +2\r\n\r\n', /number of bytes/],
    ['<html>no head at all\n\n', /expected a header line/],
  ];
  for (const [text, says] of rows) {
    const found = readHead(text, 5);
    if (found.kind !== 'invalid') t.fail(`${JSON.stringify(text)}: ${found.kind}`);
    else t.match(found, { failure: 'http_protocol_error', detail: says });
  }
  const large = `X-Large: ${'x'.repeat(maxHeadBytes)}\r\n\r\n`;
  for (const size of [13, 1024, 1_000_000]) t.match(readHead(large, size), { kind: 'invalid', failure: 'http_response_header_section_size' });
  t.match(readHead(`X-Fits: ${'x'.repeat(100_000)}\n\n`, 4096), { kind: 'complete' });
  t.end();
});
