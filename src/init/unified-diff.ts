/** Two texts as a unified diff, as `diff -u` prints it and `patch` takes it. */

const context = 3;
/** Lines x lines that are compared one by one; above it everything between the first and the last difference is one change. */
const comparedAtMost = 4_000_000;

interface Line {
  readonly kind: ' ' | '-' | '+';
  readonly text: string;
}

/** Empty when they are the same. `before`: `undefined` for a file that is not there yet. */
export function unifiedDiff(file: string, before: string | undefined, after: string | undefined): string {
  if (before === after) return '';
  const lines = compare(linesOf(before ?? ''), linesOf(after ?? ''));
  const name = (text: string | undefined): string => (text === undefined ? '/dev/null' : file);
  return [`--- ${name(before)}`, `+++ ${name(after)}`, ...hunks(lines), ''].join('\n');
}

/** A last line without its end is another line than one with it. */
function linesOf(text: string): readonly string[] {
  const lines = text.split('\n');
  const last = lines.pop();
  return last ? [...lines, `${last}\n\\ No newline at end of file`] : lines;
}

function compare(a: readonly string[], b: readonly string[]): readonly Line[] {
  let [head, tail] = [0, 0];
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const same = (texts: readonly string[]): readonly Line[] => texts.map((text) => ({ kind: ' ', text }));
  return [...same(a.slice(0, head)), ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)), ...same(tail === 0 ? [] : a.slice(-tail))];
}

/** By the longest common subsequence. */
function middle(a: readonly string[], b: readonly string[]): readonly Line[] {
  if (a.length * b.length > comparedAtMost) return [...a.map((text): Line => ({ kind: '-', text })), ...b.map((text): Line => ({ kind: '+', text }))];
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => longest[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) longest[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: Line[] = [];
  for (let [i, j] = [0, 0]; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: ' ', text: a[i++]! });
      j++;
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1))) lines.push({ kind: '-', text: a[i++]! });
    else lines.push({ kind: '+', text: b[j++]! });
  }
  return lines;
}

function hunks(lines: readonly Line[]): readonly string[] {
  const near = lines.map((_, index) => lines.slice(Math.max(0, index - context), index + context + 1).some(({ kind }) => kind !== ' '));
  const printed: string[] = [];
  let [old, fresh] = [0, 0];
  for (let index = 0; index < lines.length;) {
    let end = index;
    while (end < lines.length && near[end] === near[index]) end++;
    const part = lines.slice(index, end);
    const [olds, news] = [part.filter(({ kind }) => kind !== '+').length, part.filter(({ kind }) => kind !== '-').length];
    if (near[index]) printed.push(`@@ -${range(old, olds)} +${range(fresh, news)} @@`, ...part.map(({ kind, text }) => kind + text));
    old += olds;
    fresh += news;
    index = end;
  }
  return printed;
}

function range(before: number, count: number): string {
  return `${count === 0 ? before : before + 1},${count}`;
}
