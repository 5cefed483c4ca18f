/** The table of the live view: which columns there is room for, and how wide that of the names is. Pure. */
import { plain } from './terminal.ts';
import { pad, widthOf } from './text-width.ts';

interface Column {
  readonly key: Exclude<keyof Row, 'mark' | 'service'>;
  readonly title: string;
  readonly width: number;
  readonly align: 'left' | 'right';
}

/** One service. */
export interface Row {
  /** `!`: in trouble. */
  readonly mark: string;
  readonly service: string;
  readonly state: string;
  readonly visitors: string;
  readonly in_flight: string;
  readonly held: string;
  readonly per_second: string;
  readonly failed: string;
  readonly left: string;
}

export interface Table {
  readonly nameWidth: number;
  readonly columns: readonly Column[];
}

const columns: readonly Column[] = [
  { key: 'state', title: 'STATE', width: 8, align: 'left' },
  { key: 'visitors', title: 'VISITORS', width: 9, align: 'left' },
  { key: 'in_flight', title: 'IN FLIGHT', width: 9, align: 'right' },
  { key: 'held', title: 'HELD', width: 5, align: 'right' },
  { key: 'per_second', title: 'PER S', width: 6, align: 'right' },
  { key: 'failed', title: 'FAILED', width: 6, align: 'right' },
  { key: 'left', title: 'LEFT', width: 5, align: 'right' },
];
/** On a narrow terminal these go first. */
const dropFirst: readonly Column['key'][] = ['left', 'in_flight', 'per_second', 'failed', 'held', 'visitors'];
const gap = '  ';
const shortestName = 12;
const longestName = 40;

/** As many columns as leave room for the names. */
export function tableFor(rows: readonly Row[], width: number): Table {
  const longest = Math.min(longestName, Math.max(widthOf('SERVICE'), ...rows.map(({ service }) => widthOf(plain(service)))));
  const wanted = Math.min(longest, shortestName);
  let shown = columns;
  for (const key of dropFirst) {
    if (roomFor(shown, width) >= wanted) break;
    shown = shown.filter((column) => column.key !== key);
  }
  return { nameWidth: Math.max(1, Math.min(longest, roomFor(shown, width))), columns: shown };
}

/** The titles. */
export function heading(table: Table): string {
  return lineOf('SERVICE', ' ', { ...table, textOf: ({ title }) => title });
}

/** The line of one service. */
export function rowOf(row: Row, table: Table): string {
  return lineOf(plain(row.service), row.mark, { ...table, textOf: ({ key }) => plain(row[key]) });
}

function lineOf(name: string, mark: string, { nameWidth, columns: shown, textOf }: Table & { readonly textOf: (column: Column) => string }): string {
  return [`${mark} ${pad(name, nameWidth)}`, ...shown.map((column) => pad(textOf(column), column.width, column.align === 'left' ? 'left' : 'right'))].join(gap).trimEnd();
}

function roomFor(shown: readonly Column[], width: number): number {
  return width - 2 - shown.reduce((sum, column) => sum + gap.length + column.width, 0);
}
