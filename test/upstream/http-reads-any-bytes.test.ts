import t from 'tap';
import type { FailureKind } from '../../src/core/failure.ts';
import { bodyFraming, isFault } from '../../src/upstream/http/body-framing.ts';
import { HeadReader } from '../../src/upstream/http/head-reader.ts';
import { headLimitBytes } from '../../src/upstream/http/response-head.ts';
import { ask, readBody } from '../fixtures/backends/ask.ts';
import * as does from '../fixtures/backends/behaviours.ts';
import { startBackend } from '../fixtures/backends/start-backend.ts';

const long = `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(60_000)}\r\nY: ${'y'.repeat(60_000)}\r\nZ: `;
/** How much of Z makes the head, its last line end included, exactly as long as it may be. */
const rest = headLimitBytes - long.length - '\r\n'.length;
const answers: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello world',
  'HTTP/1.0 200 OK\nServer: old\nSet-Cookie: a\n\nuntil the end\n\n\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n \r\n0005\r\nworld\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\n\nHTTP/1.1 404 Not Found\nContent-Length: 2\r\n\nno',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n',
  'HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX-A: a\rb\r\n\r\n',
  'SSH-2.0-OpenSSH_9.2\r\n',
  'HTT',
  'HTTP/1.1 200 OK\r\nX-A',
  '',
  'hi',
  `${long}${'z'.repeat(rest)}\r\n\r\nbody`,
  `${long}${'z'.repeat(rest + 1)}\r\n\r\nbody`,
];

interface Reading {
  readonly heads: unknown[];
  readonly body: string;
  readonly end: 'complete' | 'cut' | 'no_head' | FailureKind;
}

t.test('an answer reads the same whichever way its bytes were split', (t) => {
  const random = seeded(20_261_122);
  for (const text of answers) {
    const whole = read([Buffer.from(text, 'latin1')]);
    const rounds = text.length > 10_000 ? 12 : 300;
    for (let round = 0; round < rounds; round++) {
      const longest = round % 3 === 0 && text.length < 10_000 ? 1 : 1 + Math.floor(random() * text.length);
      const split = read(pieces(text, longest, random));
      if (JSON.stringify(split) !== JSON.stringify(whole)) t.same(split, whole, `${JSON.stringify(text.slice(0, 60))}, pieces of at most ${longest} bytes`);
    }
    t.pass(`${JSON.stringify(text.slice(0, 40))}: ${whole.end}`);
  }
  t.same(
    answers.map((text) => read([Buffer.from(text, 'latin1')]).end),
    [
      'complete',
      'complete',
      'complete',
      'complete',
      'complete',
      'http_protocol_error',
      'http_protocol_error',
      'http_protocol_error',
      'http_protocol_error',
      'http_protocol_error',
      'no_head',
      'no_head',
      'no_head',
      'http_protocol_error',
      'complete',
      'http_response_header_section_size',
    ],
  );
  t.end();
});

t.test('a head that comes byte by byte costs linear time', (t) => {
  const text = `${long}\r\n\r\n`;
  const reader = new HeadReader();
  for (const byte of Buffer.from(text)) {
    reader.append(Buffer.from([byte]));
    reader.next();
  }
  t.equal(reader.rest.length, 0, 'it was read');
  t.end();
});

t.test('2,000 damaged answers never throw, and never hang', async (t) => {
  const random = seeded(4242);
  let next: Buffer = Buffer.alloc(0);
  const { address } = await startBackend(
    t,
    'unix',
    does.afterRequest((socket) => socket.end(next)),
  );
  const ends = new Map<string, number>();
  for (let round = 0; round < 2000; round++) {
    next = damaged(answers[round % 10]!, random);
    const result = await ask(address, { method: round % 7 === 0 ? 'HEAD' : 'GET', upgrade: round % 11 === 0, limits: { responseTimeoutMs: 15_000, idleTimeoutMs: 15_000 } });
    const cut = result.kind === 'response' && !result.tunnel ? (await readBody(result)).cut : undefined;
    if (result.kind === 'response') result.tunnel?.destroy();
    const failed = result.kind === 'failure' ? result.failure : cut;
    const end = failed?.kind ?? result.kind;
    ends.set(end, (ends.get(end) ?? 0) + 1);
    if (failed && (failed.source !== 'upstream' || failed.kind === 'http_response_timeout' || failed.kind === 'connection_read_timeout')) t.fail(`round ${round}: ${failed.detail}`);
  }
  t.ok((ends.get('response') ?? 0) > 100, `some survive: ${JSON.stringify(Object.fromEntries(ends))}`);
  t.ok((ends.get('http_protocol_error') ?? 0) > 100, 'some do not');
});

/** What the client makes of these pieces, without a connection: the same parts in the same order. */
function read(parts: readonly Buffer[]): Reading {
  const reader = new HeadReader();
  const heads: unknown[] = [];
  let body = '';
  let framing: ReturnType<typeof bodyFraming> | 'none' | undefined;
  const feed = (bytes: Buffer): FailureKind | undefined => {
    if (framing === 'none' || framing === undefined || framing.complete) return undefined;
    const content = framing.decode(bytes);
    if (isFault(content)) return content.kind;
    body += content.toString('latin1');
    return undefined;
  };
  for (const part of parts) {
    let fault: FailureKind | undefined;
    if (framing !== undefined) fault = feed(part);
    else reader.append(part);
    while (framing === undefined) {
      const result = reader.next();
      if (result.kind === 'incomplete') break;
      if (result.kind === 'fault') return { heads, body, end: result.fault.kind };
      heads.push([result.status, result.rawHeaders, result.contentLength]);
      if (result.status < 200) continue;
      framing = bodyFraming('GET', result) ?? 'none';
      fault = feed(reader.rest);
    }
    if (fault) return { heads, body: 'as far as it was read', end: fault };
  }
  if (framing === undefined) return { heads, body, end: reader.faultAtEnd()?.kind ?? 'no_head' };
  return { heads, body, end: framing === 'none' || framing.complete || framing.endsAtClose ? 'complete' : 'cut' };
}

function pieces(text: string, longest: number, random: () => number): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + Math.floor(random() * longest);
    parts.push(Buffer.from(bytes.subarray(at, at + size))); // a copy: the reader may move its bytes about
    at += size;
  }
  return parts;
}

/** One to four faults: a byte changed, taken out, doubled, or the rest cut off. */
function damaged(text: string, random: () => number): Buffer {
  let bytes = Buffer.from(text, 'latin1');
  for (let faults = 1 + Math.floor(random() * 4); faults > 0 && bytes.length > 0; faults--) {
    const at = Math.floor(random() * bytes.length);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)];
    const kind = Math.floor(random() * 4);
    const middle = kind === 0 ? Buffer.from([Math.floor(random() * 256)]) : kind === 1 ? Buffer.alloc(0) : Buffer.from([bytes[at]!, bytes[at]!]);
    bytes = kind === 3 && random() < 0.3 ? Buffer.from(before) : Buffer.concat([before, middle, after]);
  }
  return bytes;
}

/** mulberry32: the same numbers in every run, so that a failure can be repeated. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
