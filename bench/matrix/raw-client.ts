/** A client of bare bytes: it can send what no library would, and tells a whole answer from one that broke off. */
import { connect, type Socket } from 'node:net';
import type { Address } from '../../src/core/failure.ts';
import { readAnswer } from './read-answer.ts';

export interface Reply {
  readonly status: number | 'closed' | 'silent' | 'raw';
  readonly interim: readonly number[];
  readonly head: string;
  readonly body: string;
  readonly cut: boolean;
  readonly seconds: number;
}

export interface SendOptions {
  /** Sent when 100 has come, or after a second without any answer. */
  readonly after100?: string;
  /** Then the reply is `silent`. */
  readonly timeoutMs?: number;
}

/** Sends `bytes` (Latin-1) on a connection of its own and reads one answer. Never rejects. */
export function send(to: Address, bytes: string, options: SendOptions = {}): Promise<Reply> {
  const socket = open(to);
  return exchange(socket, bytes, options).finally(() => socket.destroy());
}

function open(to: Address): Socket {
  return to.kind === 'unix' ? connect(to.path) : connect(to.port, to.host);
}

function exchange(socket: Socket, bytes: string, { after100, timeoutMs = 20_000 }: SendOptions): Promise<Reply> {
  const began = performance.now();
  let text = '';
  let rest = after100;
  return new Promise((resolve) => {
    const sendRest = (): void => {
      if (rest !== undefined) socket.write(rest, 'latin1');
      rest = undefined;
    };
    const patience = after100 === undefined ? undefined : setTimeout(sendRest, 1000);
    const timer = setTimeout(() => finish('silence'), timeoutMs);
    const finish = (how: 'complete' | 'end' | 'reset' | 'silence'): void => {
      clearTimeout(timer);
      clearTimeout(patience);
      resolve(reply(text, how, (performance.now() - began) / 1000));
    };
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
      const answer = readAnswer(text);
      if (answer.interim.includes(100)) sendRest();
      if (answer.complete) finish('complete');
    });
    socket.on('end', () => finish('end')).on('error', () => finish('reset'));
    socket.write(bytes, 'latin1');
  });
}

function reply(text: string, how: 'complete' | 'end' | 'reset' | 'silence', seconds: number): Reply {
  const { interim, status, head, body, lastsUntilClose } = readAnswer(text);
  const cut = how === 'reset' || (how === 'end' && !lastsUntilClose);
  const rest = { interim, head, body, seconds };
  if (how === 'silence') return { ...rest, status: 'silent', cut: false };
  if (status !== undefined) return { ...rest, status, cut };
  return { ...rest, status: text === '' || text.startsWith('HTTP/') ? 'closed' : 'raw', cut: false };
}
