/** Text for a terminal or a pipe. */
import { once } from 'node:events';
import { styleText } from 'node:util';

/** Is standard output a terminal? Tables, headings and colour are for people only. */
export function isTerminal(): boolean {
  return process.stdout.isTTY === true;
}

/** Coloured on a terminal that wants colour (NO_COLOR), unchanged everywhere else. */
export function styled(style: 'bold' | 'dim' | 'green' | 'red' | 'yellow', text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** Writes a line and waits where the reader is slow. */
export async function printLine(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}

/** For whoever waits; standard output is for results. */
export function sayMeanwhile(text: string): void {
  process.stderr.write(`goodgateway: ${plain(text)}\n`);
}

/** Prints `goodgateway: TEXT` on standard error and sets the exit status: 1 found something, 2 called wrongly. */
export function complain(text: string, exitStatus: 1 | 2): undefined {
  process.stderr.write(`goodgateway: ${text}\n`);
  process.exitCode = exitStatus;
}

/**
 * Without characters that a terminal obeys: records quote what programs printed, and a log line must not be able to
 * hide itself or write into the window. Newlines become blanks.
 */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\n\r\t]+/g, ' ').replaceAll(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '�');
}

/** The same for a line of a diff, whose tabs belong to it. */
export function plainLine(line: string): string {
  return line.split('\t').map(plain).join('\t');
}

/** A sentence with its end: they come from many places, some without. */
export function withStop(text: string): string {
  return /[.!?…:]["')]?$/.test(text) ? text : `${text}.`;
}

/** Words in lines of at most `width` characters, each with `indent` before it, the following ones with `hang`. */
export function wrap(text: string, { width = 80, indent = '', hang = indent }: { readonly width?: number; readonly indent?: string; readonly hang?: string } = {}): readonly string[] {
  const lines: string[] = [];
  let line = indent;
  let empty = true;
  for (const word of text.split(' ').filter((part) => part !== '')) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = hang;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return empty && lines.length > 0 ? lines : [...lines, line];
}

/** Columns of equal width with two blanks between, no blanks at the end. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
