/**
 * A terminal's other screen, drawn in place. However the process ends, but by KILL, the terminal is given back as it was:
 * its own screen, its cursor, its way of reading keys.
 */
import { constants } from 'node:os';
import type { Line, Size } from './status-screen.ts';
import { styled } from './terminal.ts';

export interface FullScreen {
  /** Draws over what was there. A frame for which a slow terminal has no room is left out. */
  draw(lines: readonly Line[]): void;
  size(): Size;
  /** Gives the terminal back. The second time nothing happens. */
  leave(): void;
}

export interface FullScreenOptions {
  /** q or Ctrl-C. */
  readonly onQuit: () => void;
  readonly onResize: () => void;
}

const other = { enter: '\u001b[?1049h\u001b[?25l\u001b[?7l', leave: '\u001b[?7h\u001b[?25h\u001b[?1049l' } as const;
const [home, restOfLine, restOfScreen] = ['\u001b[H', '\u001b[K', '\u001b[J'] as const;
/** A pseudo terminal of nobody says 0. */
const usual: Size = { columns: 80, rows: 24 };
/** Ctrl-C; in raw mode it is a key and no signal. */
const quitKeys = ['q', 'Q', '\u0003'];
const ending = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Standard output must be a terminal. Signals that end the process end it as before, after the terminal is given back. */
export function enterFullScreen({ onQuit, onResize }: FullScreenOptions): FullScreen {
  const { stdin, stdout } = process;
  let entered = true;
  const onKey = (keys: Buffer): void => (quitKeys.some((key) => keys.includes(key)) ? onQuit() : undefined);
  const leave = (): void => {
    if (!entered) return;
    entered = false;
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.off('data', onKey).pause();
    stdout.off('resize', onResize);
    process.off('exit', leave);
    for (const signal of ending) process.off(signal, onSignal);
    stdout.write(other.leave);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    leave();
    process.exit(128 + constants.signals[signal]);
  };
  process.on('exit', leave);
  for (const signal of ending) process.on(signal, onSignal);
  stdout.on('resize', onResize);
  // a terminal that is gone is told by SIGHUP
  stdin.on('error', () => undefined);
  if (stdin.isTTY) stdin.setRawMode(true).on('data', onKey);
  stdout.write(other.enter);
  return {
    leave,
    size: () => ({ columns: stdout.columns || usual.columns, rows: stdout.rows || usual.rows }),
    draw: (lines) => {
      // erased before it is written: after it, the last column of a full line would be erased, too
      const rows = lines.map(({ text, style }) => restOfLine + (style ? styled(style, text) : text));
      if (entered && !stdout.writableNeedDrain) stdout.write(`${home}${rows.join('\r\n')}${rows.length < (stdout.rows || usual.rows) ? `\r\n${restOfScreen}` : ''}`);
    },
  };
}
