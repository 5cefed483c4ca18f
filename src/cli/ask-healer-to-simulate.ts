import { connect } from 'node:net';
import { operatorAnswerSchema, type OperatorRequest } from '../channel/operator-messages.ts';
import { formatDuration } from '../core/time.ts';
import { explanationSchema, type Explanation } from '../healer/simulate/explanation.ts';

const answerWithinMs = 10_000;
const longestAnswer = 1024 * 1024;

export type Asked = { readonly kind: 'answer'; readonly explanation: Explanation } | { readonly kind: 'refused'; readonly text: string } | { readonly kind: 'no_healer' };

/** Asks the healer that listens on `path`. `refused`: it runs and gave no answer that can be used. */
export function askHealerToSimulate(path: string, request: Extract<OperatorRequest, { ask: 'simulate' }>): Promise<Asked> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8').setTimeout(answerWithinMs);
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.once('timeout', () => socket.destroy(new Error(`it did not answer within ${formatDuration(answerWithinMs)}`)));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? { kind: 'no_healer' } : { kind: 'refused', text: `the healer cannot be asked at ${path}: ${error.message}` }),
    );
    socket.once('close', () => resolve({ kind: 'refused', text: 'the healer closed the connection without an answer; is another version running?' }));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > longestAnswer) socket.destroy(new Error('its answer is too long'));
      if (!text.endsWith('\n')) return;
      resolve(read(text));
      socket.destroy();
    });
  });
}

function read(line: string): Asked {
  const json: unknown = parse(line);
  const explanation = explanationSchema.safeParse(json);
  if (explanation.success) return { kind: 'answer', explanation: explanation.data };
  const other = operatorAnswerSchema.safeParse(json);
  return { kind: 'refused', text: other.success ? other.data.text : "the healer answered in another version's words; is another version running?" };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
