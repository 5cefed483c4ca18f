import fc from 'fast-check';
import t from 'tap';
import { CgiHeadReader, maxHeadBytes } from '../../../src/upstream/fastcgi/head.ts';
import { decodeParams, encodeParams } from '../../../src/upstream/fastcgi/params.ts';
import { encodeRecord, encodeStreamEnd, RecordParser, recordType, writeContent } from '../../../src/upstream/fastcgi/record.ts';
import { RecordCollector, type SeenRecord } from '../../fixtures/fastcgi/records.ts';
import { anyCuts, holdsForAll, pieces } from '../../fixtures/splits.ts';

const bytes = (maxLength: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const records = fc.array(fc.record({ type: fc.integer({ min: 1, max: 255 }), id: fc.nat({ max: 65_535 }), content: bytes(700), padding: fc.nat({ max: 255 }) }), { maxLength: 12 });

function onTheWire({ type, id, content, padding }: SeenRecord & { readonly padding: number }): Buffer {
  const record = Buffer.concat([encodeRecord(type, id, content), Buffer.alloc(padding, 0xaa)]);
  record[6] = padding;
  return record;
}

t.test('any records come out as they went in, whichever way their bytes were split', async (t) => {
  holdsForAll(
    t,
    fc.property(records, anyCuts, (sent, cuts) => {
      const collector = new RecordCollector();
      for (const piece of pieces(Buffer.concat(sent.map(onTheWire)), cuts)) if (collector.parser.push(piece) !== piece.length) return false;
      return !collector.parser.broken && same(collector.records, sent);
    }),
    200,
  );
});

t.test('any bytes at all give the same records and the same end, whichever way they were split', async (t) => {
  // random bytes alone break at once: mostly records, with one byte of them changed
  const damaged = fc.tuple(records, fc.nat(), fc.nat({ max: 255 })).map(([sent, at, byte]) => {
    const wire = Buffer.concat(sent.map(onTheWire));
    if (wire.length > 0) wire[at % wire.length] = byte;
    return wire;
  });
  holdsForAll(
    t,
    fc.property(fc.oneof(damaged, bytes(200)), anyCuts, (wire, cuts) => {
      const [whole, split] = [new RecordCollector(), new RecordCollector()];
      whole.parser.push(wire);
      for (const piece of pieces(wire, cuts)) if (!split.parser.broken) split.parser.push(piece);
      return whole.parser.broken === split.parser.broken && same(whole.records, split.records);
    }),
    200,
  );
});

t.test('a reader that takes little at a time misses nothing and gets nothing twice', async (t) => {
  holdsForAll(
    t,
    fc.property(records, anyCuts, fc.integer({ min: 1, max: 50 }), (sent, cuts, most) => {
      const got: Buffer[] = [];
      const parser = new RecordParser({
        begin: () => undefined,
        content: (piece) => {
          const taken = Math.min(most, piece.length);
          got.push(Buffer.from(piece.subarray(0, taken)));
          return taken;
        },
      });
      for (const piece of pieces(Buffer.concat(sent.map(onTheWire)), cuts)) {
        for (let rest = piece; rest.length > 0;) rest = rest.subarray(parser.push(rest));
      }
      return Buffer.concat(got).equals(Buffer.concat(sent.map(({ content }) => content)));
    }),
    200,
  );
});

t.test('a stream that is written in any pieces is read back as its bytes', async (t) => {
  holdsForAll(
    t,
    fc.property(bytes(200_000), anyCuts, (content, cuts) => {
      const collector = new RecordCollector();
      const write = (part: Buffer): boolean => collector.parser.push(part) === part.length;
      for (const piece of pieces(content, cuts)) writeContent(write, { type: recordType.stdout, requestId: 1 }, piece);
      write(encodeStreamEnd(recordType.stdout, 1));
      const written = collector.records.map((record) => record.content);
      return Buffer.concat(written).equals(content) && written.findIndex((part) => part.length === 0) === written.length - 1;
    }),
    40,
  );
});

t.test('any name-value pairs survive the way through their encoding', async (t) => {
  const latin1 = bytes(300).map((text) => text.toString('latin1'));
  holdsForAll(
    t,
    fc.property(fc.array(fc.tuple(latin1, latin1), { maxLength: 20 }), (pairs) => {
      const decoded = decodeParams(encodeParams(pairs));
      return JSON.stringify(decoded) === JSON.stringify(pairs);
    }),
    200,
  );
});

t.test('any head of a CGI answer reads the same, whichever way it was split', async (t) => {
  const line = fc.oneof(
    fc.tuple(fc.constantFrom('Status', 'Content-Type', 'X-A', 'Set-Cookie', 'Location'), fc.stringMatching(/^[ -~]{0,40}$/)).map(([name, value]) => `${name}: ${value}`),
    fc.constantFrom('Status: 404 Not Found', 'Content-Length: 5', 'Content-Length: 6', 'Connection: close', ' folded', 'no colon', 'X: a\rb', ''),
    bytes(20).map((text) => text.toString('latin1')),
  );
  const lines = fc.tuple(fc.array(fc.tuple(line, fc.constantFrom('\r\n', '\n')), { maxLength: 12 }), fc.constantFrom('\r\n\r\nbody', '\n\nbody\n\n', '\n\r\n', '\r\n', ''));
  const short = lines.map(([all, end]) => all.map(([one, ending]) => one + ending).join('') + end);
  const long = fc.constantFrom(-40, -1, 0, 1, 40).map((more) => `X-Long: ${'x'.repeat(maxHeadBytes - 12 + more)}\r\n\r\nbody`);
  const text = fc.oneof({ arbitrary: short, weight: 30 }, { arbitrary: long, weight: 1 });
  const ends = new Map<string, number>();
  holdsForAll(
    t,
    fc.property(text, anyCuts, (head, cuts) => {
      const wire = Buffer.from(head, 'latin1');
      const whole = readHead([wire]);
      ends.set(whole.kind, (ends.get(whole.kind) ?? 0) + 1);
      return JSON.stringify(readHead(pieces(wire, cuts))) === JSON.stringify(whole);
    }),
    400,
  );
  for (const kind of ['complete', 'invalid', 'incomplete']) t.ok((ends.get(kind) ?? 0) > 10, `${ends.get(kind)} ${kind}`);
});

/** As an exchange uses it: until it knows; what comes later belongs to the body. */
function readHead(parts: readonly Buffer[]): { readonly kind: string; readonly found?: unknown; readonly body?: string } {
  const reader = new CgiHeadReader();
  for (const [n, part] of parts.entries()) {
    const progress = reader.push(part);
    if (progress.kind === 'incomplete') continue;
    if (progress.kind === 'invalid') return { kind: 'invalid', found: [progress.failure, progress.detail] };
    return { kind: 'complete', found: progress.head, body: Buffer.concat([progress.rest, ...parts.slice(n + 1)]).toString('latin1') };
  }
  return { kind: 'incomplete' };
}

function same(some: readonly SeenRecord[], others: readonly SeenRecord[]): boolean {
  return some.length === others.length && some.every((one, n) => one.type === others[n]!.type && one.id === others[n]!.id && one.content.equals(others[n]!.content));
}
