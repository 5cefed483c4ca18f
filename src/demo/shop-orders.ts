import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** At most so many different orders are remembered; a demonstration never gets there. */
const mostOrders = 10_000;
const startingStock = 120;

export interface Orders {
  /** How many pieces are left: each order takes one, once. */
  stock(): number;
  /** How many different orders were executed. */
  executed(): number;
  /** Executes the order, unless one with this id was executed before. `full`: no more can be remembered, nothing was done. */
  place(id: string): 'executed' | 'known_already' | 'full';
}

/**
 * The shop's orders, each executed once however often it arrives. With a file they outlive a crash: an order is in the
 * file before it counts. A line that a crash cut in the middle is no order; nobody was told that it was taken.
 */
export function openOrders(file: string | undefined): Orders {
  const ids = new Set(file !== undefined && existsSync(file) ? completeLines(readFileSync(file, 'utf8')) : []);
  return {
    stock: () => Math.max(0, startingStock - ids.size),
    executed: () => ids.size,
    place: (id) => {
      if (ids.has(id)) return 'known_already';
      if (ids.size >= mostOrders) return 'full';
      if (file !== undefined) appendFileSync(file, `${id}\n`);
      ids.add(id);
      return 'executed';
    },
  };
}

function completeLines(text: string): readonly string[] {
  return text.split('\n').slice(0, -1);
}
