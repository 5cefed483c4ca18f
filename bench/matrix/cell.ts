/** One cell of the tables: what the client saw and what the backend saw, as text and as compared with what is expected. */
import type { Cells } from './expected.ts';

export interface Observation {
  /** `closed`: the connection ended without an answer. `silent`: nothing ended it in time. `raw`: bytes that are no HTTP. */
  readonly status: number | 'closed' | 'silent' | 'raw';
  readonly interim: readonly number[];
  /** The client could see that the answer broke off. */
  readonly cut: boolean;
  /** The `error` of Proxy-Status. */
  readonly error: string | undefined;
  /** How often the backend saw the request. */
  readonly hits: number;
  /** What the backend saw of the framing, or what the page said. */
  readonly notes: readonly string[];
  readonly seconds: number;
  /** From the moment at which the backend was back. */
  readonly readyPlusMs?: number;
}

/** `200! x1`, `503 connection_refused x0`, `100+200 x1 [CL=2]`. */
export function cellText(seen: Observation): string {
  const status = [...seen.interim, seen.status].join('+') + (seen.cut ? '!' : '');
  const parts = [status, seen.error, `x${seen.hits}`, seen.notes.length > 0 ? `[${seen.notes.join(' ')}]` : undefined];
  return parts.filter((part) => part !== undefined).join(' ');
}

/** Is this one of the cells that are right? */
export function meets(seen: Observation, expected: Cells): boolean {
  return alternatives(expected).some((cell) => meetsOne(seen, cell));
}

/** For a message: what would have been right. */
export function cellsText(expected: Cells): string {
  return alternatives(expected).join(' or ');
}

function alternatives(expected: Cells): readonly string[] {
  return typeof expected === 'string' ? [expected] : expected;
}

function meetsOne(seen: Observation, cell: string): boolean {
  if (cell.startsWith('cut ')) return isHonestEnd(seen) && cell === `cut x${seen.hits}`;
  const atLeast = /^(.*) x(\d+)\+$/.exec(cell);
  if (!atLeast) return cellText(seen) === cell;
  return seen.hits >= Number(atLeast[2]) && cellText({ ...seen, hits: 0 }) === `${atLeast[1]} x0`;
}

/** Nobody takes it for a page. The 502 is nginx's own, where a reset overtook the head that it had not read yet. */
function isHonestEnd(seen: Observation): boolean {
  return seen.cut || seen.status === 'closed' || (seen.status === 502 && seen.error === undefined);
}
