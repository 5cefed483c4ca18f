/**
 * What is told outside of the log, so that somebody can see later whether it was cut or written anew: a record's number
 * and the hash of its line.
 */

import { resolve } from 'node:path';

/** `hash`: of the record's line, or its beginning (at least eight digits), as messages carry it. */
export interface Checkpoint {
  readonly seq: number;
  readonly hash: string;
}

/** The line for the journal or syslog. It holds nothing but numbers and the path of the file. */
export function checkpointLine({ seq, hash }: Checkpoint, path: string): string {
  return `audit checkpoint seq=${seq} head=${hash} file=${path}`;
}

/** The checkpoints of the log in `folder` among lines of a journal or syslog; other lines are none of ours. */
export function findCheckpoints(text: string, folder: string): readonly Checkpoint[] {
  const found: Checkpoint[] = [];
  for (const line of text.split('\n')) {
    const parts = /audit checkpoint seq=(\d{1,15}) head=([0-9a-f]{64}) file=(\S.*)\/audit-[\d-]+\.jsonl$/.exec(line.trimEnd());
    if (parts && resolve(parts[3]!) === resolve(folder)) found.push({ seq: Number(parts[1]), hash: parts[2]! });
  }
  return found;
}

/** `1234:9f2c…`, as a person noted it down; `undefined` when it is none. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const parts = /^(\d{1,15}):([0-9a-fA-F]{8,64})$/.exec(text);
  return parts ? { seq: Number(parts[1]), hash: parts[2]!.toLowerCase() } : undefined;
}
