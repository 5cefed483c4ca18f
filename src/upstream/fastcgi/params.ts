/**
 * FastCGI name-value pairs. A request is passed on as the bytes that came, so pairs are looked up in place and only
 * the values that somebody asks for become text. Everything but {@link areWellFormed} and {@link decodeParams} trusts
 * that the lengths were checked once.
 * @see https://fastcgi-archives.github.io/FastCGI_Specification.html#S3.4
 */

/** Do the lengths add up to the end of the bytes? */
export function areWellFormed(params: Buffer): boolean {
  let at = 0;
  while (at < params.length) at = pairEnd(params, at);
  return at === params.length;
}

/** The value of the first pair of that name, as Latin-1 text, which keeps every byte. */
export function findParam(params: Buffer, name: string): string | undefined {
  for (let at = 0; at < params.length;) {
    const end = pairEnd(params, at);
    if (isNamed(params, at, name)) return params.toString('latin1', nameStart(params, at) + name.length, end);
    at = end;
  }
  return undefined;
}

/** The same bytes without any pair of that name; the very same buffer where there is none. */
export function withoutParam(params: Buffer, name: string): Buffer {
  const kept: Buffer[] = [];
  let from = 0;
  for (let at = 0; at < params.length;) {
    const end = pairEnd(params, at);
    if (isNamed(params, at, name)) {
      kept.push(params.subarray(from, at));
      from = end;
    }
    at = end;
  }
  return kept.length === 0 ? params : Buffer.concat([...kept, params.subarray(from)]);
}

/** All pairs in their order, `undefined` where {@link areWellFormed} says no. Latin-1 text. */
export function decodeParams(params: Buffer): (readonly [name: string, value: string])[] | undefined {
  if (!areWellFormed(params)) return undefined;
  const pairs: (readonly [string, string])[] = [];
  for (let at = 0; at < params.length; at = pairEnd(params, at)) {
    const start = nameStart(params, at);
    const split = start + lengthAt(params, at);
    pairs.push([params.toString('latin1', start, split), params.toString('latin1', split, pairEnd(params, at))]);
  }
  return pairs;
}

/** The bytes of these pairs, without record headers. Latin-1 text. */
export function encodeParams(pairs: Iterable<readonly [name: string, value: string]>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of pairs) parts.push(encodeLength(name.length), encodeLength(value.length), Buffer.from(name + value, 'latin1'));
  return Buffer.concat(parts);
}

function isNamed(params: Buffer, at: number, name: string): boolean {
  if (lengthAt(params, at) !== name.length) return false;
  const start = nameStart(params, at);
  for (let i = 0; i < name.length; i++) if (params[start + i] !== name.charCodeAt(i)) return false;
  return true;
}

function nameStart(params: Buffer, at: number): number {
  const valueLengthAt = at + lengthWidth(params, at);
  return valueLengthAt + lengthWidth(params, valueLengthAt);
}

function pairEnd(params: Buffer, at: number): number {
  const valueLengthAt = at + lengthWidth(params, at);
  return valueLengthAt + lengthWidth(params, valueLengthAt) + lengthAt(params, at) + lengthAt(params, valueLengthAt);
}

/** A length is one byte below 128, else four with the highest bit set. Past the end it is infinite: not well formed. */
function lengthAt(params: Buffer, at: number): number {
  const first = params[at];
  if (first === undefined) return Infinity;
  if (first < 128) return first;
  return at + 4 <= params.length ? params.readUInt32BE(at) & 0x7fff_ffff : Infinity;
}

function lengthWidth(params: Buffer, at: number): number {
  return (params[at] ?? 0) < 128 ? 1 : 4;
}

function encodeLength(length: number): Buffer {
  if (length < 128) return Buffer.of(length);
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE((length | 0x8000_0000) >>> 0);
  return bytes;
}
