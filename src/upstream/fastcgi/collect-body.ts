import type { RequestBody } from '../exchange.ts';

/** A body that its sender gave no length, up to here. More is refused: it would have to be kept somewhere. */
const collectedLimitBytes = 1024 * 1024;

export type CollectedBody = { readonly kind: 'whole'; readonly bytes: Buffer } | { readonly kind: 'broken'; readonly why: string } | { readonly kind: 'client_gone' };

/**
 * Reads a body of unknown length to its end. php-fpm reads as many bytes as CONTENT_LENGTH says, none without it, and
 * would run the script as if nothing had been sent. Ends early when the client goes, sends too much, or nothing for
 * `idleTimeoutMs`.
 */
export function collectBody(body: RequestBody, { idleTimeoutMs, clientGone }: { readonly idleTimeoutMs: number; readonly clientGone: AbortSignal }): Promise<CollectedBody> {
  return new Promise((resolve) => {
    const stream = body.open();
    const pieces: Buffer[] = [];
    let bytes = 0;
    const settle = (result: CollectedBody): void => {
      clearTimeout(timer);
      clientGone.removeEventListener('abort', onGone);
      // The listener for errors stays: a client that leaves later must not hit a stream without one.
      stream.off('data', onData).off('end', onEnd).off('close', onClose).pause();
      resolve(result);
    };
    const timer = setTimeout(() => settle({ kind: 'broken', why: 'the client sent no more of its body' }), idleTimeoutMs);
    const onGone = (): void => settle({ kind: 'client_gone' });
    const onEnd = (): void => settle({ kind: 'whole', bytes: Buffer.concat(pieces) });
    const onClose = (): void => settle({ kind: 'broken', why: 'the body ended before its end' });
    const onData = (piece: Buffer): void => {
      timer.refresh();
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > collectedLimitBytes) settle({ kind: 'broken', why: `a body of more than ${collectedLimitBytes / 1024} KiB needs a length: switch nginx's fastcgi_request_buffering on` });
    };
    clientGone.addEventListener('abort', onGone);
    stream
      .on('error', (error: Error) => settle({ kind: 'broken', why: error.message }))
      .on('close', onClose)
      .on('end', onEnd)
      .on('data', onData);
  });
}
