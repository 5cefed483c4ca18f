/** A program in a pseudo terminal (util-linux `script`), and what somebody would see on its screen. */
import { spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { family, signal } from './processes.ts';
import { succeed } from './program.ts';
import type { TestScope } from './temp-folder.ts';
import { until } from './until.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface PseudoTerminal {
  /** The lines that are seen now, without blanks at their ends; of the other screen while that is shown. */
  screen(): readonly string[];
  /** The program shows the other screen. */
  isOtherScreen(): boolean;
  /** Everything that was written to the terminal; `␛` is the character of its escapes. */
  written(): string;
  type(keys: string): void;
  resize(size: Size): Promise<void>;
  /** The program's own pid. */
  pid(): number | undefined;
  /** Resolves with what `stty -g` said before and after, and with the exit status of the program. */
  readonly ended: Promise<{ readonly before: string; readonly after: string; readonly code: number }>;
}

/** Starts it; ended with the test at the latest. The words must need no quotes of a shell. */
export function startInTerminal(t: TestScope, argv: readonly string[], { columns, rows }: Size, environment: Readonly<Record<string, string>> = {}): PseudoTerminal {
  const script = `stty rows ${rows} cols ${columns}; echo before $(stty -g); ${argv.join(' ')}; echo ended $?; echo after $(stty -g)`;
  const child = spawn('/usr/bin/env', ['-u', 'NODE_OPTIONS', 'script', '-qfec', script, '/dev/null'], {
    env: { ...process.env, SHELL: '/bin/sh', TERM: 'xterm-256color', ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let written = '';
  let size: Size = { columns, rows };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (written += chunk.replaceAll('\u001b', '␛')));
  // best effort: the program may end before it has read
  child.stdin.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  t.teardown(async () => {
    for (const { pid } of family(child.pid ?? 0).toReversed()) signal(pid, 'SIGKILL');
    await ended;
  });
  const pid = (): number | undefined => family(child.pid ?? 0).find(({ command }) => command.startsWith(argv[0] ?? ''))?.pid;
  return {
    pid,
    written: () => written,
    screen: () => screenOf(written, size.rows).lines,
    isOtherScreen: () => screenOf(written, size.rows).isOther,
    type: (keys) => void child.stdin.write(keys),
    resize: async (next) => {
      const found = await until(pid, { timeoutMs: 15_000, what: 'the program in the terminal' });
      size = next;
      await succeed(['stty', '-F', readlinkSync(`/proc/${found}/fd/1`), 'rows', String(next.rows), 'cols', String(next.columns)]);
    },
    ended: ended.then(() => ({ before: wordAfter(written, 'before'), after: wordAfter(written, 'after'), code: Number(wordAfter(written, 'ended')) })),
  };
}

function wordAfter(text: string, word: string): string {
  return new RegExp(`^${word} (\\S+)\\r?$`, 'm').exec(text.replaceAll(/␛\[[?0-9;]*[A-Za-z]/g, ''))?.[1] ?? '';
}

/** As much of a terminal as our view uses; an escape that it does not know throws. */
function screenOf(written: string, rows: number): { readonly lines: readonly string[]; readonly isOther: boolean } {
  let lines: string[] = [''];
  let isOther = false;
  let [row, column] = [0, 0];
  const erase = (): void => void (lines = Array.from({ length: rows }, () => ''));
  for (const [part] of written.matchAll(/␛\[[?0-9;]*[A-Za-z]|\r|\n|[^␛\r\n]+/g)) {
    const line = lines[row] ?? '';
    if (part === '\r') column = 0;
    else if (part === '\n') row += 1;
    else if (!part.startsWith('␛')) {
      lines[row] = line.slice(0, column).padEnd(column) + part + line.slice(column + part.length);
      column += part.length;
    } else if (part === '␛[H') [row, column] = [0, 0];
    else if (part === '␛[K') lines[row] = line.slice(0, column);
    else if (part === '␛[J') lines = [...lines.slice(0, row), line.slice(0, column)];
    else if (/^␛\[\?1049[hl]$/.test(part)) {
      isOther = part.endsWith('h');
      [row, column] = [0, 0];
      erase();
    } else if (!/^␛\[(\?(25|7)[hl]|[0-9;]*m)$/.test(part)) throw new Error(`expected no such escape: ${JSON.stringify(part)}`);
  }
  return { lines: lines.map((line) => line.trimEnd()), isOther };
}
