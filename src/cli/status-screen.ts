/**
 * The live view of `status --watch`: from an answer and a size to lines. Pure. It never gives more lines than there are
 * rows, nor wider ones than there are columns; where there is more to say, those in trouble come first.
 */
import type { NoAnswer } from './ask-healer.ts';
import { shareRows } from './share-rows.ts';
import { budgetLeft, hostRestraints, lasting } from './status-words.ts';
import { serviceBlocks, type Block, type Style } from './status-blocks.ts';
import type { Status } from './status-answer.ts';
import { heading, rowOf, tableFor } from './status-table.ts';
import { plain } from './terminal.ts';
import { cut, pad, widthOf, wrapTo } from './text-width.ts';

/** One line of the screen. The style only repeats what the words say. */
export interface Line {
  readonly text: string;
  readonly style?: Style;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface View {
  /** The last answer; `undefined`: none came yet. */
  readonly answer: Status | NoAnswer | undefined;
  /** When it came, and when the healer last gave a status: wall time. */
  readonly answeredMs: number;
  readonly heardMs: number | undefined;
  readonly nowMs: number;
  /** A key can be pressed. */
  readonly hasKeys: boolean;
}

/** An answer that is older is said to be so. */
const oldAfterMs = 3000;
/** Below, no line is left empty. */
const airyFromRows = 16;
/** Below, the budgets of the host are left out. */
const budgetFromRows = 8;
const mostLinesOfAText = 3;

/** At most `rows` lines of at most `columns`, without control characters. */
export function statusScreen(view: View, { columns, rows }: Size): readonly Line[] {
  const top = topOf(view, { columns, rows });
  const bottom: Line = { text: pad(view.hasKeys ? 'q quits' : 'Ctrl-C quits', columns).trimEnd(), style: 'dim' };
  const isAiry = rows >= airyFromRows;
  const air: readonly Line[] = isAiry ? [{ text: '' }] : [];
  const body = bodyOf(view, { columns, rows: rows - top.length - 1 - 2 * air.length });
  return [...top, ...air, ...body, ...air, bottom].map(({ text, ...rest }) => ({ text: cut(plain(text), columns), ...rest })).slice(0, Math.max(0, rows));
}

function topOf({ answer, answeredMs, nowMs }: View, { columns, rows }: Size): readonly Line[] {
  const time = new Date(nowMs).toTimeString().slice(0, 8);
  const status = answer && 'services' in answer ? answer : undefined;
  const isOld = status && nowMs - answeredMs >= oldAfterMs;
  const right = isOld ? `the answer is ${lasting(answeredMs, nowMs)} old` : time;
  const left = status ? `goodgateway: healing is ${status.healing}, audit log: ${status.audit}` : 'goodgateway';
  const room = columns - widthOf(right) - 2;
  const title: Line = { text: room < 12 ? left : `${pad(plain(left), room)}  ${right}`, style: 'bold' };
  if (!status) return [title];
  const budget = rows < budgetFromRows ? [] : budgetLeft(status);
  return [title, ...hostRestraints(status).map((text): Line => ({ text, style: 'yellow' })), ...budget.map((text) => ({ text }))];
}

function bodyOf({ answer, heardMs, nowMs }: View, size: Size): readonly Line[] {
  if (size.rows < 1) return [];
  if (answer === undefined) return [{ text: 'asking the healer …' }];
  if ('noAnswer' in answer) {
    const before = heardMs === undefined ? '' : ` It answered last ${lasting(heardMs, nowMs)} ago.`;
    const text = plain(`${answer.noAnswer}. Asking again every second.${before}`);
    return wrapTo(text, size.columns, size.rows).map((line) => ({ text: line, style: 'red' }));
  }
  if (answer.services.length === 0) return [{ text: 'no service is under care: there is no policy' }];
  return servicesOf(answer, nowMs, size);
}

function servicesOf(status: Status, nowMs: number, { columns, rows }: Size): readonly Line[] {
  const blocks = serviceBlocks(status, nowMs);
  const table = tableFor(
    blocks.map(({ row }) => row),
    columns,
  );
  const shown = howManyFit(blocks, rows - 1);
  const left = blocks.slice(shown);
  const texts = blocks.slice(0, shown).flatMap((block) => block.details.map((detail) => ({ ...detail, block })));
  const room = rows - 1 - shown - (left.length > 0 ? 1 : 0);
  const given = shareRows(
    texts.map(({ text, essential }) => ({ essential, wants: wrapTo(plain(text), columns - 4, mostLinesOfAText).length })),
    room,
  );
  const detailsOf = (block: Block): readonly Line[] =>
    texts.flatMap((detail, i) => (detail.block === block ? wrapTo(plain(detail.text), columns - 4, given[i] ?? 0).map((line) => ({ text: `    ${line}`, ...styleOf(detail) })) : []));
  const lines = blocks.slice(0, shown).flatMap((block): readonly Line[] => [{ text: rowOf(block.row, table), ...styleOf(block) }, ...detailsOf(block)]);
  return [{ text: heading(table), style: 'dim' }, ...lines, ...more(left)];
}

function styleOf({ style }: { readonly style: Style | undefined }): { readonly style?: Style } {
  return style === undefined ? {} : { style };
}

/** Each with what must be read of it; the first in any case. A line is kept for "… and N more". */
function howManyFit(blocks: readonly Block[], rows: number): number {
  let used = 0;
  for (const [i, block] of blocks.entries()) {
    used += 1 + block.details.filter(({ essential }) => essential).length;
    const kept = i === blocks.length - 1 ? 0 : 1;
    if (used + kept > rows) return i === 0 ? 1 : i;
  }
  return blocks.length;
}

function more(left: readonly Block[]): readonly Line[] {
  if (left.length === 0) return [];
  const troubled = left.filter(({ rank }) => rank < 2).length;
  return [{ text: `  … and ${left.length} more${troubled > 0 ? `, ${troubled} of them in trouble` : ''}`, style: troubled > 0 ? 'red' : 'dim' }];
}
