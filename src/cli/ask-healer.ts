import { connect } from 'node:net';
import type { z } from 'zod';
import type { OperatorRequest } from '../channel/operator-messages.ts';
import { whyNotTrusted } from '../channel/whose-socket.ts';
import { formatDuration } from '../core/time.ts';

const longestAnswer = 4 * 1024 * 1024;

export interface Asking<Answer> {
  readonly answer: z.ZodType<Answer>;
  readonly withinMs: number;
  /** Ends the asking early. */
  readonly signal?: AbortSignal;
}

/** `away`: nobody listens; otherwise it is there, and gave no answer that can be used. */
export interface NoAnswer {
  readonly noAnswer: string;
  readonly away: boolean;
}

/** The healer's answer to one request on its control socket, or a sentence that says why there is none. Never rejects. */
export function askHealer<Answer extends object>(path: string, request: z.input<z.ZodType<OperatorRequest>>, { answer, withinMs, signal }: Asking<Answer>): Promise<Answer | NoAnswer> {
  const stranger = whyNotTrusted(path);
  if (stranger !== undefined) return Promise.resolve({ noAnswer: `nobody is asked: ${stranger}`, away: false });
  return new Promise((resolve) => {
    const none = (noAnswer: string, away = false): void => resolve({ noAnswer, away });
    const socket = connect({ path, ...(signal && { signal }) });
    let text = '';
    // its silence while it works is no reason to leave: only the whole time is limited
    const late = setTimeout(() => socket.destroy(new Error(`it did not answer within ${formatDuration(withinMs)}`)), withinMs);
    socket.setEncoding('utf8');
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
        ? none(`the healer does not run (nobody listens on ${path}); traffic flows without it`, true)
        : none(`the healer cannot be asked at ${path}: ${error.code === 'EACCES' ? 'this user may not; ask as root, or as a member of the group of that socket' : error.message}`),
    );
    socket.once('close', () => {
      clearTimeout(late);
      none('the healer closed the connection without an answer');
    });
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > longestAnswer) socket.destroy(new Error('its answer is too long'));
      if (!text.endsWith('\n')) return;
      const parsed = answer.safeParse(jsonOf(text));
      if (parsed.success) resolve(parsed.data);
      else none("the healer answered in another version's words; is another version running?");
      socket.destroy();
    });
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // no object: what was expected of it is missing
    return undefined;
  }
}
