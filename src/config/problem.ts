/** Keys and list positions from the root of a document to one value. */
export type Path = readonly (string | number)[];

/** One mistake in one file, at the key or value that has to be changed. Lines and columns count from 1. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** What was expected, what came, and what was probably meant. */
  readonly message: string;
  /** The place inside the document: `rules[0].try[1].with`. Empty for the whole document. */
  readonly path: string;
}

/** `file:line:column: message`, which editors and terminals turn into a link. */
export function formatProblem(problem: ConfigProblem): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`;
}

/** A file with more mistakes than this is none of ours; nobody reads on. */
const problemLimit = 1000;

/** Sorted by place, at most 1000. Of several problems at one place only the first is kept: the others are its echo. */
export function sortProblems(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const first = new Map<string, ConfigProblem>();
  for (const problem of problems) {
    const place = `${problem.file}:${problem.line}:${problem.column}`;
    if (!first.has(place)) first.set(place, problem);
  }
  return [...first.values()].sort((a, b) => compareText(a.file, b.file) || a.line - b.line || a.column - b.column).slice(0, problemLimit);
}

/** `rules[0].try[1].with` */
export function formatPath(path: Path): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
}

/** The value at a path of plain data, `undefined` where the path leads nowhere. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[part];
  }
  return value;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
