/** How every connection to a backend is made: own timer, failures as values, and writes that cannot lose an answer. */
import { isIP, Socket } from 'node:net';
import type { Address, UpstreamFailure } from '../core/failure.ts';
import { startTls, type BackendTls } from './backend-tls.ts';
import { connectFailure, handshakeFailure } from './classify-failure.ts';

/** One try to connect; `client_gone` when the signal called it off. */
export type ConnectResult = { readonly kind: 'connected'; readonly socket: BackendSocket } | { readonly kind: 'failure'; readonly failure: UpstreamFailure } | { readonly kind: 'client_gone' };

/** What one connect may take. */
export interface ConnectOptions {
  /** For the name look-up and the connect together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Speak TLS; the handshake counts as connecting. */
  readonly tls?: BackendTls | undefined;
  /** Keep our side open after the backend ended its own: for tunnels. */
  readonly halfOpen?: boolean;
}

/** A connection to a backend whose failed write is told by `writeFailed`, and leaves its reading side alive. */
export interface BackendSocket extends Socket {
  /** The first failed write. */
  writeError: NodeJS.ErrnoException | undefined;
  /** How many exchanges were begun on it: more than one where connections are kept. */
  exchanges: number;
}

/**
 * A connection that survives a failed write. Node destroys a socket on EPIPE together with the answer that waits in it;
 * a backend that refuses an upload (413, then close) would then look dead. Here a failed write emits `writeFailed` and
 * reading goes on until the backend's bytes are all there.
 */
class PlainSocket extends Socket implements BackendSocket {
  writeError: NodeJS.ErrnoException | undefined;
  exchanges = 0;

  override _write(chunk: unknown, encoding: BufferEncoding, done: () => void): void {
    super._write(chunk, encoding, (error) => this.#settleWrite(error, done));
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], done: () => void): void {
    super._writev!(chunks, (error) => this.#settleWrite(error, done));
  }

  #settleWrite(error: NodeJS.ErrnoException | null | undefined, done: () => void): void {
    if (error && this.writeError === undefined) {
      this.writeError = error;
      this.emit('writeFailed');
    }
    done();
  }
}

/**
 * Connects once, within `timeoutMs`. Never rejects. The socket comes without Nagle's delay, not yet reading, and with
 * an `error` listener that stays, so that nothing a backend does can end the process.
 */
export function connectTo(target: Address, options: ConnectOptions): Promise<ConnectResult> {
  const { signal } = options;
  if (signal?.aborted) return Promise.resolve({ kind: 'client_gone' });
  return new Promise((resolve) => {
    const plain = new PlainSocket({ allowHalfOpen: options.halfOpen ?? false });
    let socket: BackendSocket = plain;
    let step: 'resolve' | 'connect' | 'handshake' = target.kind === 'unix' || isIP(target.host) !== 0 ? 'connect' : 'resolve';
    const settle = (result: ConnectResult) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      plain.off('connect', onConnect).off('error', fail);
      socket.off('secureConnect', onSecure).off('error', fail);
      if (result.kind !== 'connected') socket.destroy();
      resolve(result);
    };
    const fail = (error: NodeJS.ErrnoException) => settle({ kind: 'failure', failure: step === 'handshake' ? handshakeFailure(error, target) : connectFailure(error, target) });
    const onLate = () =>
      step === 'resolve' ? fail(slowNameServer()) : settle({ kind: 'failure', failure: step === 'handshake' ? handshakeFailure('timeout', target) : connectFailure('timeout', target) });
    const onSecure = () => settle({ kind: 'connected', socket });
    const onConnect = () => {
      if (metItself(plain)) {
        plain.resetAndDestroy(); // an ordinary close would keep the port, and the backend could not have it back
        return fail(nobodyListens());
      }
      if (!options.tls) return onSecure();
      step = 'handshake';
      plain.off('error', fail);
      socket = startTls(plain, target, options.tls).on('error', ignore).on('error', fail).on('secureConnect', onSecure);
    };
    const onAbort = () => settle({ kind: 'client_gone' });
    const timer = setTimeout(onLate, options.timeoutMs);
    plain.on('error', ignore); // stays: whoever reads the socket listens too, but in between nobody does
    plain.on('error', fail).on('connect', onConnect);
    if (step === 'resolve') plain.once('lookup', (error: Error | null) => (step = error ? step : 'connect'));
    signal?.addEventListener('abort', onAbort);
    plain.setNoDelay(true);
    plain.connect(target.kind === 'unix' ? { path: target.path } : { host: target.host, port: target.port });
  });
}

function ignore(): void {}

/**
 * A connect to a port from which the kernel also takes the ports of connections can get that very port, and then meets
 * itself: connected, with nobody there. About once in 14,000 tries while a backend on such a port is away.
 */
export function metItself({ localPort, localAddress, remotePort, remoteAddress }: Socket): boolean {
  return remotePort !== undefined && localPort === remotePort && localAddress === remoteAddress;
}

function nobodyListens(): NodeJS.ErrnoException {
  return Object.assign(new Error('the connection met itself'), { code: 'ECONNREFUSED' });
}

/** The resolver's own patience is longer than ours: our timer says what it would have said. */
function slowNameServer(): NodeJS.ErrnoException {
  return Object.assign(new Error('the name was not resolved in time'), { code: 'EAI_AGAIN' });
}
