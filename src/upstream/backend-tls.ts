/** TLS to a backend: what is trusted, read once at the start; and the handshake on a connection that stands. */
import { readFileSync } from 'node:fs';
import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext } from 'node:tls';
import type { Address } from '../core/failure.ts';

export interface BackendTls {
  /** What the certificate must name; without it the host of the address. */
  readonly serverName: string | undefined;
  readonly verify: boolean;
  readonly context: SecureContext;
}

/** A TLS connection whose failed write leaves the reading side alive. */
export type SecureSocket = Socket & { writeError: NodeJS.ErrnoException | undefined; exchanges: number };

/** Reads the file of authorities; throws when it cannot be read or holds none. */
export function backendTls({ server_name, ca, verify }: { readonly server_name?: string | undefined; readonly ca?: string | undefined; readonly verify: boolean }): BackendTls {
  return { serverName: server_name, verify, context: createSecureContext(ca === undefined ? {} : { ca: readFileSync(ca) }) };
}

/** Begins the handshake; `secureConnect` tells its end, `error` why it failed. Nothing is to be written before. */
export function startTls(plain: Socket, target: Address, { serverName, verify, context }: BackendTls): SecureSocket {
  const name = serverName ?? (target.kind === 'tcp' ? target.host : 'localhost');
  const socket = connect({
    socket: plain,
    host: name, // compared with the certificate
    ...(isIP(name) === 0 && { servername: name }), // RFC 6066 section 3: no address in SNI
    secureContext: context,
    rejectUnauthorized: verify,
    ALPNProtocols: ['http/1.1'],
  });
  return outliveFailedWrites(socket);
}

/** The same for a TLS connection as BackendSocket for a plain one: an answer that came before the close is not lost. */
function outliveFailedWrites(socket: Socket): SecureSocket {
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  const settle = (error: NodeJS.ErrnoException | null | undefined, done: () => void): void => {
    if (error && secure.writeError === undefined) {
      secure.writeError = error;
      secure.emit('writeFailed');
    }
    done();
  };
  const secure: SecureSocket = Object.assign(socket, { writeError: undefined, exchanges: 0 });
  secure._write = (chunk, encoding, done) => write(chunk, encoding, (error) => settle(error, done));
  if (writev) secure._writev = (chunks, done) => writev(chunks, (error) => settle(error, done));
  return secure;
}
