import { Readable } from 'node:stream';

/** A body that is there already, as the stream that it is for others. Costs little where nobody reads it. */
export function wholeBody(bytes: Buffer): Readable {
  const stream = new Readable({ read: () => undefined });
  if (bytes.length > 0) stream.push(bytes);
  stream.push(null);
  return stream;
}
