import { Readable } from 'node:stream';

/**
 * The body that a listener reads. `wanted` is called when there is room for more, `unwanted` when the stream is destroyed,
 * by its reader or because the answer was cut.
 */
export function responseBody(wanted: () => void, unwanted: () => void): Readable {
  const body = new Readable({
    read: wanted,
    destroy: (error, done) => {
      unwanted();
      done(error);
    },
  });
  return body.on('error', () => {}); // a cut that nobody listens for yet must not end the process
}
