/**
 * An answer that is complete before its request is (the fallback page to an upload, a backend's early 413) must still
 * arrive: a connection that is closed with unread bytes is reset, and the client loses the answer with it.
 */
import type { IncomingMessage } from 'node:http';
import { pipeline, Transform, type Readable } from 'node:stream';
import type { Answer } from './gateway-request.ts';

/** How long the rest of an upload is read and thrown away before the connection may close. */
const lingerMs = 5000;

/** The answer's body, whose end waits until the request was read to its end, too. */
export function drainAtEnd({ from, head, body }: Answer, raw: IncomingMessage): Readable {
  // an early 2xx comes from a backend that goes on reading: the attempt passes the rest on
  if (raw.complete || (from === 'upstream' && head.status < 300)) return body;
  raw.removeAllListeners('readable');
  raw.resume();
  const lingering = new Transform({ transform: (chunk, _encoding, done) => done(null, chunk), flush: (done) => whenRead(raw, done) });
  pipeline(body, lingering, () => undefined);
  return lingering;
}

function whenRead(raw: IncomingMessage, done: () => void): void {
  if (raw.complete || raw.destroyed) return done();
  const finish = (): void => {
    clearTimeout(timer);
    raw.off('end', finish).off('close', finish);
    done();
  };
  const timer = setTimeout(finish, lingerMs);
  raw.once('end', finish).once('close', finish);
}
