/** Content that says by every byte whose it is: a part of it is checked as well as the whole, on both sides. */

/** Looks like a request and like an answer: whoever loses count of a body's bytes takes it for one. */
const trap = 'POST /forged HTTP/1.1\r\nHost: a\r\nX-Fuzz: 1\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX-Fuzz-Id: 1\r\nContent-Length: 0\r\n\r\n';

/** The first `length` bytes of the content that belongs to `id`. */
export function contentOf(id: number, length: number): Buffer {
  return Buffer.alloc(length, `${id}.${id % 3 === 0 ? trap : ''}`, 'latin1');
}

/** Is it the beginning of what belongs to `id`? */
export function belongsTo(id: number, content: Buffer): boolean {
  return content.equals(contentOf(id, content.length));
}
