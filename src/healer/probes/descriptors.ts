/**
 * How many descriptors the service's processes hold open, against what each may: evidence `descriptors` of the one that
 * is nearest to its limit, and whether it is growing.
 */
import { readdirSync } from 'node:fs';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe } from '../leaves.ts';
import { readText, type ProcessStat } from '../proc.ts';
import { processesOf } from './read-once.ts';
import { programOf } from './read-owner.ts';
import { readFamily } from './read-processes.ts';
import { sampleMs } from './read-sample.ts';

const mostProcesses = 64;
/** Below half of the limit there is nothing to tell. */
const notableShare = 0.5;

interface Held {
  readonly row: ProcessStat;
  readonly open: number;
  readonly most: number;
}

/** Applies to every service on this host; silent about one that does not run, or that is far from its limits. */
export const descriptors: Probe = {
  name: 'descriptors',
  deadlineMs: 1500,
  quick: false,
  applies: ({ config }) => config.type !== 'external',
  async look(context, signal) {
    const { state, pids } = await context.serviceType.state(context.target, context.run, signal);
    if (pids.length === 0 || state === 'failed' || state === 'stopped') return [];
    const family = readFamily(pids, processesOf(context)).filter(({ state }) => state !== 'Z' && state !== 'X');
    const held = family.slice(0, mostProcesses).flatMap((row) => readHeld(row) ?? []);
    if (held.length === 0) return family.length === 0 ? [] : [unseen];
    const nearest = held.reduce((one, other) => (other.open / other.most > one.open / one.most ? other : one));
    if (nearest.open < notableShare * nearest.most) return [];
    await context.clock.sleep(sampleMs, signal);
    const later = readHeld(nearest.row);
    return later ? [evidenceOf(nearest, later)] : [];
  },
};

const unseen: Evidence = {
  kind: 'descriptors',
  source: '/proc',
  text: 'How many descriptors the service holds open could not be seen.',
  facts: {},
  missing: 'only root may count those of another user',
};

/** `undefined` when it is gone, or may not be seen. */
function readHeld(row: ProcessStat): Held | undefined {
  const most = Number(/^Max open files +(\d+)/m.exec(readText(`/proc/${row.pid}/limits`))?.[1] ?? NaN);
  try {
    return Number.isNaN(most) ? undefined : { row, most, open: readdirSync(`/proc/${row.pid}/fd`).length };
  } catch {
    return undefined;
  }
}

function evidenceOf(before: Held, { row, open, most }: Held): Evidence {
  const grown = open - before.open;
  const program = programOf(row);
  const text = `${program} (pid ${row.pid}) holds ${open} descriptors open of ${most} that it may${grown > 0 ? `, ${grown} more than a moment ago` : ''}.`;
  return { kind: 'descriptors', source: `/proc/${row.pid}`, text, facts: { pid: row.pid, program, open, most, grown } };
}
