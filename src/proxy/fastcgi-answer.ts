/** Writes an answer as FastCGI records, batched into few writes, and makes a cut visible where the answer breaks off. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { encodeEndRequest, encodeRecord, encodeSmallAnswer, encodeStreamEnd, maxContentBytes, protocolStatus, recordType, writeContent } from '../upstream/fastcgi/record.ts';
import type { ResponseHead } from '../upstream/exchange.ts';
import type { Answer } from './gateway-request.ts';
import { headerLines } from './header-lines.ts';

/** `cut`: the answer broke off, and what was written of it must not look complete. */
export type AnswerEnd = 'complete' | 'cut';

const stderrLimitBytes = 64 * 1024;

/**
 * A record about nothing, behind the end of a request on a connection that is not kept although nginx asked for it.
 * FastCGI has no word for that; but nginx keeps no connection on which something follows, and so sends no request to one
 * that is being closed.
 */
const farewell = encodeRecord(recordType.unknownType, 0, Buffer.alloc(8));

export class AnswerWriter {
  readonly #socket: Socket;
  readonly #requestId: number;
  readonly #endsConnection: () => boolean;
  #corked = false;

  /** `endsConnection`: the client must be told with the answer that the connection is not kept. */
  constructor(socket: Socket, { requestId, endsConnection }: { readonly requestId: number; readonly endsConnection: () => boolean }) {
    this.#socket = socket;
    this.#requestId = requestId;
    this.#endsConnection = endsConnection;
  }

  /** Text for nginx's error log. Dropped while nginx reads too slowly: nothing holds back the one who writes it. */
  writeStderr(text: Buffer): void {
    if (this.#socket.writableLength < stderrLimitBytes) this.#write(recordType.stderr, text);
  }

  /** STDERR of no length: nginx ignores it, and where nobody reads any more the connection breaks. */
  writeNothing(): void {
    if (this.#socket.writableLength === 0) this.#socket.write(encodeStreamEnd(recordType.stderr, this.#requestId));
  }

  /** Writes all of `answer`, as fast as nginx takes it. Resolves when the last record was written, or at the cut. */
  async write({ head, body, whole }: Pick<Answer, 'head' | 'body' | 'whole'>): Promise<AnswerEnd> {
    const text = formatHead(head);
    if (whole && text.length + whole.length <= maxContentBytes) {
      const answer = encodeSmallAnswer(this.#requestId, text, whole);
      this.#socket.write(this.#endsConnection() ? Buffer.concat([answer, farewell]) : answer);
      return 'complete';
    }
    this.#write(recordType.stdout, Buffer.from(text, 'latin1'));
    const end = await this.#pipe(body);
    if (end === 'complete') this.writeEnd();
    return end;
  }

  /** Ends the request: all of its output was written. */
  writeEnd(): void {
    this.#batch();
    this.#socket.write(encodeStreamEnd(recordType.stdout, this.#requestId));
    const end = encodeEndRequest(this.#requestId, protocolStatus.requestComplete);
    this.#socket.write(this.#endsConnection() ? Buffer.concat([end, farewell]) : end);
  }

  #pipe(body: Answer['body']): Promise<AnswerEnd> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const settle = (end: AnswerEnd): void => {
        body.off('data', onData);
        socket.off('drain', onDrain).off('close', onGone);
        resolve(end);
      };
      const onData = (piece: Buffer): void => {
        if (!this.#write(recordType.stdout, piece)) body.pause();
      };
      const onDrain = (): void => void body.resume();
      const onGone = (): void => void body.destroy();
      const onCut = (): void => settle('cut');
      socket.on('drain', onDrain).on('close', onGone);
      body
        .on('error', onCut)
        .on('close', onCut)
        .on('end', () => settle('complete'))
        .on('data', onData);
      // What happened before anybody listened is not told again.
      if (socket.destroyed) body.destroy();
      if (body.destroyed && !body.readableEnded) settle('cut');
    });
  }

  #write(type: number, content: Buffer): boolean {
    this.#batch();
    return writeContent((bytes) => this.#socket.write(bytes), { type, requestId: this.#requestId }, content);
  }

  /** Everything that is written in one turn of the event loop leaves in one system call. */
  #batch(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    setImmediate(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }
}

/**
 * Ends the connection so that nginx cannot take a cut answer for a complete one: by a reset on TCP; on a unix socket,
 * where there is none, by a record of a version that does not exist. A plain end would give the visitor a clean 200.
 */
export function cutVisibly(socket: Socket, isUnix: boolean): void {
  if (!isUnix) return void socket.resetAndDestroy();
  socket.end(Buffer.alloc(8), () => socket.destroy());
}

/** Latin-1 text: one character a byte. */
function formatHead({ status, rawHeaders }: ResponseHead): string {
  return `Status: ${status} ${STATUS_CODES[status] ?? 'Status'}\r\n${headerLines(rawHeaders)}\r\n`;
}
