/** `status --watch`: asks the healer every second, for as long as somebody looks. */
import { systemClock } from '../core/time.ts';
import type { NoAnswer } from './ask-healer.ts';
import { enterFullScreen } from './full-screen.ts';
import type { Status } from './status-answer.ts';
import { changedLines, type Said } from './status-lines.ts';
import { statusScreen, type View } from './status-screen.ts';
import { isTerminal, printLine } from './terminal.ts';

/** Asks once. Never rejects; soon after the signal aborts it resolves. */
export type AskStatus = (signal: AbortSignal) => Promise<Status | NoAnswer>;

const everyMs = 1000;

/** On a terminal: draws in place until q is pressed. Elsewhere: prints until it is ended, `json`: an object a second, else a line a change. */
export async function watchStatus(ask: AskStatus, { json }: { readonly json: boolean }): Promise<void> {
  if (json) return printEach(ask, (answer) => printLine(JSON.stringify('services' in answer ? answer : { no_answer: answer.noAnswer })));
  if (isTerminal() && process.env['TERM'] !== 'dumb') return drawEach(ask);
  const said: Said = new Map();
  return printEach(ask, async (answer) => {
    for (const line of changedLines(answer, said, Date.now())) await printLine(line);
  });
}

async function printEach(ask: AskStatus, print: (answer: Status | NoAnswer) => Promise<void>): Promise<void> {
  await askEach(ask, print, new AbortController().signal);
}

async function drawEach(ask: AskStatus): Promise<void> {
  const quit = new AbortController();
  let last: Pick<View, 'answer' | 'answeredMs' | 'heardMs'> = { answer: undefined, answeredMs: Date.now(), heardMs: undefined };
  const draw = (): void => screen.draw(statusScreen({ ...last, nowMs: Date.now(), hasKeys: process.stdin.isTTY === true }, screen.size()));
  const screen = enterFullScreen({ onQuit: () => quit.abort(), onResize: () => draw() });
  // also while an answer lets itself be waited for: what lasts goes on
  const timer = setInterval(draw, everyMs);
  try {
    draw();
    await askEach(
      ask,
      async (answer) => {
        const isFirst = last.answer === undefined;
        last = { answer, answeredMs: Date.now(), heardMs: 'services' in answer ? Date.now() : last.heardMs };
        if (isFirst) draw();
      },
      quit.signal,
    );
  } finally {
    clearInterval(timer);
    screen.leave();
  }
}

async function askEach(ask: AskStatus, took: (answer: Status | NoAnswer) => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const beganMs = systemClock.monotonicMs();
    const answer = await ask(signal);
    if (signal.aborted) return;
    await took(answer);
    await systemClock.sleep(Math.max(0, beganMs + everyMs - systemClock.monotonicMs()), signal);
  }
}
