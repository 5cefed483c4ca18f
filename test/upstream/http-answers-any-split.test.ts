import fc from 'fast-check';
import t from 'tap';
import { bodyFraming, isFault, sectionLimitBytes, type BodyFraming } from '../../src/upstream/http/body-framing.ts';
import { HeadReader } from '../../src/upstream/http/head-reader.ts';
import { headLimitBytes, type ParsedHead } from '../../src/upstream/http/response-head.ts';
import { anyCuts, holdsForAll, pieces } from '../fixtures/splits.ts';

const latin1 = (maxLength: number): fc.Arbitrary<string> => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array).toString('latin1'));
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n');
/** Mostly right: one mistake ends the reading, and behind it nothing is tried. */
const mostly = (right: readonly string[], wrong: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof({ arbitrary: fc.constantFrom(...right), weight: 12 }, { arbitrary: fc.constantFrom(...wrong), weight: 1 });
const statusLine = mostly(['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'HTTP/1.0 200 OK', 'HTTP/1.1 204 No Content', 'HTTP/1.1 404'], ['HTTP/2 200', 'HTTP/1.1 099 No', 'ICY 200 OK']);
const interim = mostly(['', '', '', 'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n', 'HTTP/1.1 100 Continue\n\n'], ['HTTP/1.1 103 A\r\n\r\n'.repeat(99), 'HTTP/1.1 103 A\r\n\r\n'.repeat(101)]);
const value = fc.stringMatching(/^[ -~]{0,40}$/);
const framing = mostly(
  ['', 'Content-Length: 5', 'Content-Length: 30', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
  ['Content-Length: +5', 'Content-Length: 5, 7', 'Transfer-Encoding: gzip'],
);
const field = fc.oneof(
  { arbitrary: fc.tuple(fc.constantFrom('X-A', 'Set-Cookie', 'Connection', 'Server'), value).map(([name, text]) => `${name}: ${text}`), weight: 25 },
  { arbitrary: fc.constantFrom('Content-Length: 5', ' folded', 'no colon', 'X: a\0b', 'X: a\rb'), weight: 1 },
);
const content = fc.oneof(latin1(40), chunks(), chunks(), latin1(2000));

/** A chunked body, mostly right. */
function chunks(): fc.Arbitrary<string> {
  const size = (part: string): fc.Arbitrary<string> => mostly([part.length.toString(16), part.length.toString(16).padStart(6, '0').toUpperCase(), `${part.length.toString(16)};a=b`], ['zz', '']);
  const chunk = fc.stringMatching(/^[ -~]{1,60}$/).chain((part) => size(part).map((written) => `${written}\r\n${part}\r\n`));
  const end = fc.constantFrom(
    '0\r\n\r\n',
    '0\r\n\r\n',
    '0\r\nX-T: 1\r\n\r\nand more',
    '000;a\r\n\r\n',
    '0\n\n',
    '',
    `0\r\nX: ${'t'.repeat(sectionLimitBytes)}\r\n\r\n`,
    `1;${'e'.repeat(sectionLimitBytes)}\r\nx\r\n0\r\n\r\n`,
  );
  return fc.tuple(fc.array(chunk, { maxLength: 8 }), end).map(([parts, last]) => parts.join('') + last);
}

const answer = fc
  .tuple(interim, statusLine, framing, fc.array(field, { maxLength: 6 }), lineEnd, content)
  .map(([before, status, length, fields, ending, body]) => `${before}${[status, ...(length === '' ? [] : [length]), ...fields].join(ending)}${ending}${ending}${body}`);
const longAnswer = fc.constantFrom(-2, -1, 0, 1, 2).map((more) => {
  const start = `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(60_000)}\r\nY: ${'y'.repeat(60_000)}\r\nZ: `;
  return `${start}${'z'.repeat(headLimitBytes - start.length - 2 + more)}\r\n\r\nbody`;
});

t.test('any answer is read the same, head and body, whichever way its bytes were split', async (t) => {
  const ends = new Map<string, number>();
  holdsForAll(
    t,
    fc.property(
      fc.oneof({ arbitrary: answer, weight: 30 }, { arbitrary: longAnswer, weight: 1 }, { arbitrary: latin1(100), weight: 2 }),
      fc.constantFrom('GET', 'GET', 'HEAD'),
      anyCuts,
      (text, method, cuts) => {
        const wire = Buffer.from(text, 'latin1');
        const whole = read([Buffer.from(wire)], method);
        ends.set(whole.end, (ends.get(whole.end) ?? 0) + 1);
        return JSON.stringify(read(pieces(wire, cuts), method)) === JSON.stringify(whole);
      },
    ),
    1000,
  );
  for (const end of ['complete', 'cut', 'until_close', 'fault']) t.ok((ends.get(end) ?? 0) > 20, `${ends.get(end)} times ${end}`);
});

t.test('any content comes out of its chunks as it went in, whichever way they were split', async (t) => {
  const head: ParsedHead = { kind: 'head', status: 200, rawHeaders: [], contentLength: undefined, chunked: true, keepsOpen: false, end: 0 };
  const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), { maxLength: 20 }).map((all) => all.map((part) => Buffer.from(part)));
  holdsForAll(
    t,
    fc.property(parts, anyCuts, (sent, cuts) => {
      const wire = Buffer.concat([...sent.flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]), Buffer.from('0\r\n\r\n')]);
      const framing = bodyFraming('GET', head)!;
      const got: Buffer[] = [];
      for (const piece of pieces(wire, cuts)) {
        const decoded = framing.decode(piece);
        if (isFault(decoded)) return false;
        got.push(Buffer.from(decoded));
      }
      return framing.complete && Buffer.concat(got).equals(Buffer.concat(sent));
    }),
    200,
  );
});

interface Reading {
  readonly heads: readonly unknown[];
  readonly body: string;
  readonly end: 'complete' | 'until_close' | 'cut' | 'no_head' | 'fault';
  /** Its kind. What it says quotes what had come by then. */
  readonly fault?: string;
}

/** What an exchange makes of these pieces, without a connection: the same parts in the same order. */
function read(parts: readonly Buffer[], method: string): Reading {
  const reader = new HeadReader();
  const heads: unknown[] = [];
  for (const [n, part] of parts.entries()) {
    reader.append(part);
    for (;;) {
      const result = reader.next();
      if (result.kind === 'incomplete') break;
      if (result.kind === 'fault') return { heads, body: '', end: 'fault', fault: result.fault.kind };
      heads.push([result.status, result.rawHeaders, result.contentLength, result.chunked]);
      if (result.status < 200) continue;
      return { heads, ...readBody(bodyFraming(method, result), [Buffer.from(reader.rest), ...parts.slice(n + 1)]) };
    }
  }
  const fault = reader.faultAtEnd();
  return fault ? { heads, body: '', end: 'fault', fault: fault.kind } : { heads, body: '', end: 'no_head' };
}

function readBody(framing: BodyFraming | undefined, parts: readonly Buffer[]): Omit<Reading, 'heads'> {
  if (!framing) return { body: '', end: 'complete' };
  let body = '';
  for (const part of parts) {
    if (framing.complete) break;
    const decoded = framing.decode(part);
    // how much of the content before a fault is passed on depends on when it came; that there is a fault does not
    if (isFault(decoded)) return { body: '', end: 'fault', fault: decoded.kind };
    body += decoded.toString('latin1');
  }
  return { body, end: framing.complete ? 'complete' : framing.endsAtClose ? 'until_close' : 'cut' };
}
