/**
 * Checks the chain over all files of a folder. It finds what was changed, removed, put elsewhere or half-written
 * between two records that are there. It cannot find a clean cut at the end, nor a change of the very last record:
 * nothing follows that could tell. Nor can it know what a person with root's rights wrote anew from some record on.
 */
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { follow, parseObject, readLink, type ChainBreak, type ChainHead } from './chain.ts';
import { readLines, type AuditFile, type AuditLine } from './files.ts';

export interface Verification {
  readonly ok: boolean;
  /** Records that were read, up to the first bad one. */
  readonly records: number;
  readonly files: number;
  /** Number of the oldest record; above 1 older files have been removed: see `removedBy`. */
  readonly firstSeq: number | undefined;
  /** The record that tells that the files before the first record were too old and removed; a stranger writes none. */
  readonly removedBy: number | undefined;
  /** The newest record and the hash of its line: noted down elsewhere, it makes a later cut visible. */
  readonly head: (ChainHead & { readonly file: string }) | undefined;
  /** Where the chain breaks: the line that does not follow. For `edited`, it or the line before was changed. */
  readonly firstBad?: BadLine;
}

export interface BadLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Of the line; where it has none, the one that it should have. */
  readonly seq: number;
  readonly what: ChainBreak | 'torn';
  readonly text: string;
}

/** A writer that is at work may be seen in the middle of a line; it needs microseconds. */
const secondLookAfterMs = 50;

/** Reads everything, in bounded memory. Rejects with the system's error when a file cannot be read. */
export async function verifyAuditFolder(files: readonly AuditFile[]): Promise<Verification> {
  const newest = files.at(-1);
  const before = newest && (await stat(newest.path)).size;
  const found = await verifyOnce(files);
  if (found.firstBad?.what !== 'torn' || !newest || found.firstBad.file !== newest.name) return found;
  await sleep(secondLookAfterMs);
  return (await stat(newest.path)).size === before ? found : verifyOnce(files);
}

async function verifyOnce(files: readonly AuditFile[]): Promise<Verification> {
  let head: (ChainHead & { file: string }) | undefined;
  let firstSeq: number | undefined;
  let before: string | undefined;
  let removedBy: number | undefined;
  let records = 0;
  for (const file of files) {
    for await (const line of readLines(file.path)) {
      const step: ReturnType<typeof follow> | { readonly broken: 'torn' } = line.complete ? follow(head, line.bytes) : { broken: 'torn' };
      if (step.broken) {
        const bad = { file: file.name, line: line.number, what: step.broken, seq: 'next' in step ? step.next.seq : (head?.seq ?? 0) + 1 };
        return { ok: false, records, files: files.length, firstSeq, removedBy, head, firstBad: { ...bad, text: explain(bad, head, line) } };
      }
      if (!('next' in step)) continue;
      head = { ...step.next, file: file.name };
      firstSeq ??= head.seq;
      before ??= readLink(line.bytes)?.prev;
      if (firstSeq > 1 && tellsRemoval(line.bytes, before)) removedBy = head.seq;
      records += 1;
    }
  }
  return { ok: true, records, files: files.length, firstSeq, removedBy, head };
}

/** Does this record say that the file whose last line has this hash was removed? */
function tellsRemoval(line: Buffer, hash: string | undefined): boolean {
  // Cheap first: few lines are of that kind.
  if (hash === undefined || !line.includes('"event":"audit.rotated"') || !line.includes(hash)) return false;
  const removed = parseObject(line)?.['removed'];
  return typeof removed === 'object' && removed !== null && 'sha256' in removed && removed.sha256 === hash;
}

function explain(bad: Omit<BadLine, 'text'>, head: ChainHead | undefined, line: AuditLine): string {
  const before = head?.seq ?? 0;
  switch (bad.what) {
    case 'edited':
      return head
        ? `record ${bad.seq} does not carry the hash of record ${before}: one of the two was changed after it was written`
        : 'record 1 does not start the chain: it was changed after it was written';
    case 'missing':
      return `record ${bad.seq} follows record ${before}: ${countWord(bad.seq - before - 1)} between them missing`;
    case 'reordered':
      return `record ${bad.seq} stands behind record ${before}: it was moved, copied, or written by a second writer`;
    case 'unreadable':
      return `the line behind record ${before} is no audit record`;
    case 'torn':
      return `the file ends in the middle of a line (${line.bytes.length} bytes): a write was cut off, by a crash or a full disk; the next start moves it to a .torn file`;
  }
}

function countWord(count: number): string {
  return count === 1 ? '1 record is' : `${count} records are`;
}
