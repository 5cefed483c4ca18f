/**
 * Log lines → incidents with their causes. Bytes go in, in pieces of any size and from any number of files; what is
 * kept is bounded, however much is read.
 */
import type { SignatureTable } from './compile.ts';
import { createJoiner } from './join-wrapped.ts';
import type { LogTime } from './log-time.ts';
import { createSightings, type Sighting } from './sightings.ts';
import { createSplitter } from './split-lines.ts';
import { createTraffic, type Traffic } from './traffic.ts';

export interface LogReader {
  take(piece: Uint8Array): void;
  /** The file is over: its last line needs no end, and the next file's times are its own. */
  endFile(): void;
  /** What was seen so far. */
  result(): ReadLog;
}

/** What a log holds. */
export interface ReadLog {
  readonly lines: number;
  /** Lines of a known kind. */
  readonly known: number;
  /** Known lines that were counted nowhere any more, because there were too many kinds of them. */
  readonly dropped: number;
  readonly sightings: readonly Sighting[];
  readonly traffic: Traffic;
}

/** Reads with this table. Nothing that is read is obeyed, executed or looked up. */
export function createLogReader(table: SignatureTable): LogReader {
  const sightings = createSightings();
  const traffic = createTraffic();
  let known = 0;
  let around: LogTime | undefined;
  const joiner = createJoiner(table, (line, number) => {
    known += 1;
    sightings.add(line, number, around);
    around = line.line.time ?? around;
  });
  const splitter = createSplitter((bytes, from, to) => {
    if (!traffic.take(bytes, from, to)) joiner.take(bytes, from, to);
    else joiner.skip();
  });
  return {
    take: (piece) => splitter.take(piece),
    endFile() {
      splitter.end();
      joiner.end();
      around = undefined;
    },
    result: () => ({ lines: splitter.lines, known, dropped: sightings.dropped, sightings: sightings.all(), traffic: traffic.seen() }),
  };
}
