/**
 * Was a container stopped, or did it end by itself? Its state does not say: `docker stop` and a crash leave the same
 * exit codes. The Engine's events do: `kill` before and `stop` after the end are somebody's commands. But it keeps only
 * the last 256 events of all containers, and none over its own restart; then the restart policy tells, because an
 * Engine restarts everything that was not stopped. Where nothing tells, it counts as stopped: what somebody stopped is
 * never started.
 */
import { z } from 'zod';
import { parseJson, type Container } from './container-inspect.ts';

const eventSchema = z.object({
  Action: z.string(),
  timeNano: z.number(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()).nullish() }),
});

export interface ContainerEvent {
  readonly action: string;
  readonly atMs: number;
  /** Of `kill`: the signal's number. */
  readonly signal: number;
}

export interface ContainerEnd {
  readonly how: 'stopped' | 'by_itself';
  /** What says so, as the end of a sentence. */
  readonly why: string;
}

/** The events of this container, oldest first, from an answer of one JSON object a line. A line that is cut is left out. */
export function parseEvents(body: Buffer, id: string): readonly ContainerEvent[] {
  const events = body
    .toString('utf8')
    .split('\n')
    .map((line) => eventSchema.safeParse(parseJson(line)).data);
  return events
    .filter((event) => event !== undefined)
    .filter((event) => event.Actor.ID === id)
    .map((event) => ({ action: event.Action, atMs: event.timeNano / 1e6, signal: Number(event.Actor.Attributes?.['signal'] ?? 0) }));
}

/** Those that end a process, unless it has its own use for them: HUP, USR1 and others mostly mean something else. */
const endingSignals = [2, 3, 9, 15];
/** Whoever sent a signal longer ago was not obeyed: the slowest stop of a database. */
const longestStopMs = 600_000;

/** What the events of the run say; `undefined` when its end is not among them. */
export function endByEvents(events: readonly ContainerEvent[]): ContainerEnd | undefined {
  const died = events.findLastIndex(({ action }) => action === 'die');
  const end = events[died];
  if (!end) return undefined;
  if (events.slice(died).some(({ action }) => action === 'stop')) return { how: 'stopped', why: 'the Engine was asked to stop it' };
  // A restart ends one run and begins the next within moments: what was done to the run before says nothing of this one.
  const begun = events.findLastIndex(({ action }, at) => at < died && action === 'start');
  const killed = events.slice(begun + 1, died).findLast(({ action, signal, atMs }) => action === 'kill' && endingSignals.includes(signal) && end.atMs - atMs < longestStopMs);
  if (killed) return { how: 'stopped', why: `the Engine was asked to send it signal ${killed.signal}` };
  return { how: 'by_itself', why: 'nobody asked the Engine to stop it' };
}

/** Exit codes of who was asked to end, by INT, QUIT, KILL or TERM, or ended well. */
const codesOfAStop = [0, 130, 131, 137, 143];

/** What can be told without its events. */
export function endByPolicy(container: Container): ContainerEnd {
  const { restartPolicy, exitCode, restarts, mostRestarts } = container;
  if (container.error !== '') return { how: 'by_itself', why: `the Engine could not start it: ${container.error}` };
  if (container.oomKilled && exitCode === 137) return { how: 'by_itself', why: 'it was killed for want of memory' };
  if (restartPolicy === 'always' || restartPolicy === 'unless-stopped') return { how: 'stopped', why: `the Engine would have restarted it otherwise (restart policy ${restartPolicy})` };
  if (restartPolicy === 'on-failure' && exitCode !== 0) {
    return mostRestarts > 0 && restarts >= mostRestarts
      ? { how: 'by_itself', why: `the Engine has given up after ${restarts} restarts` }
      : { how: 'stopped', why: 'the Engine would have restarted it otherwise (restart policy on-failure)' };
  }
  if (codesOfAStop.includes(exitCode)) return { how: 'stopped', why: `exit code ${exitCode} may be a stop, and the Engine does not know any more` };
  return { how: 'by_itself', why: `exit code ${exitCode} is no stop's` };
}
