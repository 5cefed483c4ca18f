/**
 * Checks the chain over all files of a folder. It finds what was changed, removed, put elsewhere or half-written
 * between two records that are there. A clean cut at the end, a change of the very last record, and a history that
 * somebody with root's rights wrote anew it finds only by checkpoints that were told outside of the log.
 */
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { follow, parseObject, readLink, type ChainBreak, type ChainHead } from './chain.ts';
import type { Checkpoint } from './checkpoint.ts';
import { isCompressed, isDamage, readLines, type AuditFile, type AuditLine } from './files.ts';

export interface Verification {
  readonly ok: boolean;
  /** Records that were read, up to the first bad one. */
  readonly records: number;
  readonly files: number;
  /** Number of the oldest record; above 1 older files have been removed: see `removedBy`. */
  readonly firstSeq: number | undefined;
  /** The record that tells that the files before the first record were removed by goodgateway; a stranger writes none. */
  readonly removedBy: number | undefined;
  /** The newest record and the hash of its line: noted down elsewhere, it makes a later cut visible. */
  readonly head: (ChainHead & { readonly file: string }) | undefined;
  /** The last record that was told outside, as the log itself says: `record` is where it says so. */
  readonly lastCheckpoint: (ChainHead & { readonly record: number }) | undefined;
  /** Checkpoints from outside: how many fit, and how many are of records that are not there any more because their files were removed. */
  readonly outside: { readonly fit: number; readonly gone: number };
  /** Where the chain breaks: the line that does not follow. For `edited`, it or the line before was changed. */
  readonly firstBad?: BadLine;
}

export interface BadLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Of the line; where it has none, the one that it should have. */
  readonly seq: number;
  readonly what: ChainBreak | 'torn' | 'damaged' | 'truncated' | 'rewritten';
  readonly text: string;
}

/** A writer that is at work may be seen in the middle of a line; it needs microseconds. */
const secondLookAfterMs = 50;

/** Reads everything, in bounded memory, and holds it against what was noted outside. Rejects with the system's error when a file cannot be read. */
export async function verifyAuditFolder(files: readonly AuditFile[], checkpoints: readonly Checkpoint[] = []): Promise<Verification> {
  const newest = files.at(-1);
  const before = newest && (await stat(newest.path)).size;
  const found = await verifyOnce(files, checkpoints);
  if (found.firstBad?.what !== 'torn' || !newest || found.firstBad.file !== newest.name) return found;
  await sleep(secondLookAfterMs);
  return (await stat(newest.path)).size === before ? found : verifyOnce(files, checkpoints);
}

async function verifyOnce(files: readonly AuditFile[], checkpoints: readonly Checkpoint[]): Promise<Verification> {
  const walk = new Walk(checkpoints);
  let firstBad: BadLine | undefined;
  for (const file of files) {
    firstBad ??= await walkFile(walk, file);
    if (firstBad) break;
  }
  firstBad ??= walk.end(files.at(-1));
  const { records, firstSeq, removedBy, head, lastCheckpoint, outside } = walk;
  return { ok: firstBad === undefined, records, files: files.length, firstSeq, removedBy, head, lastCheckpoint, outside, ...(firstBad ? { firstBad } : {}) };
}

async function walkFile(walk: Walk, file: AuditFile): Promise<BadLine | undefined> {
  walk.line = 0;
  try {
    for await (const line of readLines(file.path)) {
      const bad = walk.take(line, file);
      if (bad) return bad;
    }
    return undefined;
  } catch (error) {
    if (!isCompressed(file) || !isDamage(error)) throw error;
    return walk.bad(file, { what: 'damaged', text: `the compressed file cannot be read to its end (${error.message}): bytes of it were changed or are missing` });
  }
}

/** What is known up to a line. */
class Walk {
  records = 0;
  line = 0;
  firstSeq: number | undefined;
  removedBy: number | undefined;
  head: (ChainHead & { readonly file: string }) | undefined;
  lastCheckpoint: Verification['lastCheckpoint'];
  readonly outside = { fit: 0, gone: 0 };
  #before = '';
  readonly #expected: ReadonlyMap<number, readonly Checkpoint[]>;

  constructor(checkpoints: readonly Checkpoint[]) {
    this.#expected = Map.groupBy(checkpoints, ({ seq }) => seq);
  }

  take(line: AuditLine, file: AuditFile): BadLine | undefined {
    this.line = line.number;
    const step = line.complete ? follow(this.head, line.bytes) : ({ broken: 'torn' } as const);
    if (step.broken) {
      const seq = 'next' in step ? step.next.seq : (this.head?.seq ?? 0) + 1;
      return this.bad(file, { what: step.broken, seq, text: explain({ what: step.broken, seq, head: this.head, line }) });
    }
    if (!('next' in step)) return undefined;
    const other = this.head ? undefined : this.#begin(step.next.seq, line, file);
    this.head = { ...step.next, file: file.name };
    this.records += 1;
    this.#note(line.bytes);
    return other ?? this.#compare(step.next, file);
  }

  /** What was noted outside of records that should be here. */
  end(newest: AuditFile | undefined): BadLine | undefined {
    const missing = [...this.#expected.keys()].filter((seq) => seq > (this.head?.seq ?? 0));
    if (missing.length === 0 || !newest) return undefined;
    this.line += 1;
    const last = this.head ? `ends with record ${this.head.seq}` : 'is empty';
    return this.bad(newest, { what: 'truncated', text: `the log ${last}, but record ${Math.max(...missing)} was noted outside: its end was cut off` });
  }

  bad(file: AuditFile, { what, seq = (this.head?.seq ?? 0) + 1, text }: Pick<BadLine, 'what' | 'text'> & { readonly seq?: number }): BadLine {
    return { file: file.name, line: what === 'damaged' ? this.line + 1 : this.line, seq, what, text };
  }

  #begin(seq: number, line: AuditLine, file: AuditFile): BadLine | undefined {
    this.firstSeq = seq;
    this.#before = readLink(line.bytes)?.prev ?? '';
    this.outside.gone = [...this.#expected.entries()].reduce((sum, [each, all]) => sum + (each < seq - 1 ? all.length : 0), 0);
    return this.#compare({ seq: seq - 1, hash: this.#before }, file);
  }

  #compare({ seq, hash }: ChainHead, file: AuditFile): BadLine | undefined {
    for (const expected of this.#expected.get(seq) ?? []) {
      if (!hash.startsWith(expected.hash)) {
        const text = `record ${seq} is not the one that was noted outside (${expected.hash}): it, or everything up to it, was written anew`;
        return this.bad(file, { what: 'rewritten', seq, text });
      }
      this.outside.fit += 1;
    }
    return undefined;
  }

  /** Cheap first: few lines are of these kinds. */
  #note(line: Buffer): void {
    const seq = this.head?.seq ?? 0;
    if (line.includes('"event":"audit.checkpoint"')) {
      const told = parseObject(line)?.['checkpoint'];
      if (isObject(told) && typeof told['seq'] === 'number' && typeof told['head'] === 'string') this.lastCheckpoint = { seq: told['seq'], hash: told['head'], record: seq };
    }
    if ((this.firstSeq ?? 1) > 1 && line.includes('"event":"audit.rotated"') && line.includes(this.#before)) {
      const removed = parseObject(line)?.['removed'];
      if (isObject(removed) && removed['sha256'] === this.#before) this.removedBy = seq;
    }
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

interface Broken {
  readonly what: ChainBreak | 'torn';
  readonly seq: number;
  readonly head: ChainHead | undefined;
  readonly line: AuditLine;
}

function explain({ what, seq, head, line }: Broken): string {
  const before = head?.seq ?? 0;
  switch (what) {
    case 'edited':
      return head
        ? `record ${seq} does not carry the hash of record ${before}: one of the two was changed after it was written`
        : 'record 1 does not start the chain: it was changed after it was written';
    case 'missing':
      return `record ${seq} follows record ${before}: ${countWord(seq - before - 1)} between them missing`;
    case 'reordered':
      return `record ${seq} stands behind record ${before}: it was moved, copied, or written by a second writer`;
    case 'unreadable':
      return `the line behind record ${before} is no audit record`;
    case 'torn':
      return `the file ends in the middle of a line (${line.bytes.length} bytes): a write was cut off, by a crash or a full disk; the next start moves it to a .torn file`;
  }
}

function countWord(count: number): string {
  return count === 1 ? '1 record is' : `${count} records are`;
}
