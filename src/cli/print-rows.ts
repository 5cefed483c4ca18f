import { isTerminal, plain, printLine, styled, table } from './terminal.ts';

/** Aligned with a heading on a terminal, where `none` stands for no rows; otherwise one tab between the fields, as `cut` likes it. */
export async function printRows(heading: readonly string[], rows: readonly (readonly string[])[], none: string): Promise<void> {
  const clean = rows.map((row) => row.map(plain));
  if (!isTerminal()) {
    for (const row of clean) await printLine(row.join('\t'));
    return;
  }
  if (clean.length === 0) return printLine(none);
  const [first = '', ...lines] = table([heading, ...clean]);
  await printLine(styled('bold', first));
  for (const line of lines) await printLine(line);
}
