/** How the requests of one gateway ended, since the start. A few additions for each, and no memory. */
import { Histogram } from './histogram.ts';
import { heldAtLeastMs, requestOutcomes, type RequestNote, type RequestOutcome } from './request-log.ts';

/** In seconds: from what a page out of a cache takes to what people no longer wait for. */
const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** In seconds; hold.for is 15 s by default. */
const holdBounds = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 30, 60];

const switchingProtocols = 101;

export class RequestCounts {
  readonly ended = new Map<RequestOutcome, number>(requestOutcomes.map((outcome) => [outcome, 0]));
  /** From the request's arrival to the end of its answer. A connection that was upgraded is none. */
  readonly took = new Histogram(durationBounds);
  /** Of those that waited. */
  readonly held = new Histogram(holdBounds);
  replays = 0;

  /** Of a request that has just ended. */
  count(note: RequestNote, nowMs: number): void {
    if (note.outcome) this.ended.set(note.outcome, (this.ended.get(note.outcome) ?? 0) + 1);
    this.replays += note.replays;
    if (note.heldMs >= heldAtLeastMs) this.held.observe(note.heldMs);
    if (note.sentStatus !== switchingProtocols) this.took.observe(nowMs - note.beganMs);
  }
}
