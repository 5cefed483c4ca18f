/**
 * The audit log's writer: JSON Lines, a hash chain over the raw lines, one writer. It never throws: what cannot be
 * written is a value, so that its caller refuses to act (no audit, no action), and the next append tries again.
 * It never cuts or repairs what it did not write itself; such a change is told in an `audit.gap` record.
 */
import { mkdir } from 'node:fs/promises';
import type { Clock } from '../../core/time.ts';
import type { ChainHead } from './chain.ts';
import { hashLine } from './chain.ts';
import { auditDay } from './files.ts';
import { buildLine } from './line.ts';
import { appendLine, createFile, errnoOf, findChange, reopenFile, type OpenFile } from './open-file.ts';
import { gatingEvents } from './event-names.ts';
import type { AuditEvent, AuditRecord } from './record.ts';
import { recoverTail, type Tail } from './recover-tail.ts';
import { retireFiles } from './retire.ts';

export interface AuditLogOptions {
  /** Made with mode 0750 when it is missing, at opening only. */
  readonly folder: string;
  readonly host: string;
  /** Product and version: `goodgateway 0.1.0`. */
  readonly agent: string;
  readonly clock: Clock;
  readonly bootId: string;
  /** A file that would grow beyond this is followed by the next one. Default 64 MiB. */
  readonly rotateBytes?: number;
  /** Told of each record once it stands in the file, in the order of the chain: the line without its newline, and where it begins. Must not throw. */
  readonly onAppended?: (appended: { readonly line: string; readonly seq: number; readonly file: string; readonly offset: number }) => void;
  /** Files whose day is over for longer are removed, at opening and once a day. Default: none is. */
  readonly keepMs?: number;
}

/** A record that stands in the file; of a gating event, on the disk. `seq` is what another record's `parent` names. */
export interface AppendedRecord {
  readonly kind: 'appended';
  readonly seq: number;
  readonly hash: string;
  readonly file: string;
}

/** Nothing was written: do not act. */
export interface AuditFailure {
  readonly kind: 'not_written';
  /** What was tried, what the system said, and what to do. */
  readonly detail: string;
  readonly errno?: string;
  readonly cause?: unknown;
}

export interface AuditLog {
  /** Never rejects. Appends stand in the file in the order of the calls. */
  append(event: AuditEvent): Promise<AppendedRecord | AuditFailure>;
  /** Intents of earlier runs without an outcome: write `action.unknown` for each and verify; never repeat the act. */
  openIntents(): readonly AuditRecord[];
  /** The openings of incidents of earlier runs whose end is not on record. */
  openIncidents(): readonly AuditRecord[];
  /** Why the log cannot be written at the moment; `undefined` when the last attempt worked. */
  failure(): AuditFailure | undefined;
  /** Waits for the appends under way; later ones fail. */
  close(): Promise<void>;
}

const defaultRotateBytes = 64 * 1024 ** 2;
/** Appends that may wait for their turn. A healer has a handful; more means that the disk has stopped answering. */
const maxWaiting = 1000;
/** A disk that is silent for so long (hung network storage) is as good as none for who wants to act. */
const appendTimeoutMs = 10_000;

/** Opens the log; cuts a torn last line and tells of it. Never rejects: see {@link AuditLog.failure}. */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const log = new Writer(options);
  await log.open();
  return log;
}

class Writer implements AuditLog {
  readonly #options: AuditLogOptions;
  #head: ChainHead | undefined;
  #file: OpenFile | undefined;
  /** The file that the next one must come after. */
  #after = { day: '', number: 0 };
  #begun: Pick<Tail, 'openIntents' | 'openIncidents'> = { openIntents: [], openIncidents: [] };
  /** The day on which old files were looked for; again on the next one. */
  #retiredOn = '';
  /** Told before anything else. */
  #gap: AuditEvent | undefined;
  #failure: AuditFailure | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  readonly openIntents = (): readonly AuditRecord[] => this.#begun.openIntents;
  readonly openIncidents = (): readonly AuditRecord[] => this.#begun.openIncidents;
  failure(): AuditFailure | undefined {
    return this.#failure;
  }

  async open(): Promise<void> {
    await this.#inTurn(async () => {
      await mkdir(this.#options.folder, { recursive: true, mode: 0o750 });
      await this.#recover();
      if (this.#gap) await this.#writeGap();
      await this.#retire();
    });
  }

  async append(event: AuditEvent): Promise<AppendedRecord | AuditFailure> {
    const result = await this.#inTurn(async () => {
      if (!this.#head) await this.#recover();
      await this.#checkFile();
      if (this.#gap) await this.#writeGap();
      return this.#write(event);
    });
    // In a turn of its own: who wants to act does not wait for it.
    if (this.#isRetireDue()) void this.#inTurn(() => this.#retire());
    return result;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  /** One after the other; any error becomes the failure that is returned. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T | AuditFailure> {
    if (this.#closed) return failed('the audit log is closed');
    if (this.#waiting >= maxWaiting) return failed(`${maxWaiting} records wait for the disk already`);
    this.#waiting += 1;
    const result = this.#turn.then(async () => {
      try {
        const done = await work();
        this.#failure = undefined;
        return done;
      } catch (error) {
        return (this.#failure = this.#describe(error));
      } finally {
        this.#waiting -= 1;
      }
    });
    this.#turn = result;
    return orTooLate(result);
  }

  async #recover(): Promise<void> {
    const tail = await recoverTail(this.#options.folder);
    if (tail.torn) this.#gap = { event: 'audit.gap', gap: tail.torn, text: `${tail.torn.bytes} bytes of a line that was never finished were moved to ${tail.torn.file}` };
    if (tail.last) {
      this.#file = await reopenFile(tail.last.file, tail.last.size);
      this.#after = tail.last.file;
    }
    this.#begun = tail;
    this.#head = tail.head;
  }

  /** A file that somebody else touched is left as it is, for whoever looks into it; the chain goes on in the next. */
  async #checkFile(): Promise<void> {
    const change = this.#file && (await findChange(this.#file));
    if (!this.#file || !change) return;
    this.#gap = { event: 'audit.gap', gap: { bytes: change.bytes, file: this.#file.file.name }, text: change.text };
    await this.#leaveFile(this.#file);
  }

  #isRetireDue(): boolean {
    return this.#options.keepMs !== undefined && !this.#closed && this.#retiredOn !== auditDay(this.#options.clock.wallMs());
  }

  async #retire(): Promise<void> {
    const { folder, keepMs, clock } = this.#options;
    // Several appends may have asked for it.
    if (keepMs === undefined || !this.#isRetireDue()) return;
    const wallMs = clock.wallMs();
    if (await retireFiles({ folder, keepMs, wallMs, write: (event) => this.#write(event) })) this.#retiredOn = auditDay(wallMs);
  }

  async #writeGap(): Promise<void> {
    if (this.#gap) await this.#write(this.#gap);
    this.#gap = undefined;
  }

  async #write(event: AuditEvent): Promise<AppendedRecord> {
    const { clock, bootId, host, agent } = this.#options;
    const head = this.#head;
    if (!head) throw new Error('the end of the chain is not known');
    const wallMs = clock.wallMs();
    const envelope = { seq: head.seq + 1, ts: new Date(wallMs).toISOString(), mono_ms: Math.round(clock.monotonicMs()), boot: bootId, host, agent };
    const line = buildLine(envelope, event, head.hash);
    if (!line) throw new Error('the record is longer than a line may be');
    const file = await this.#fileFor(line.length, auditDay(wallMs));
    await appendLine(file, line, gatingEvents.has(event.event));
    this.#head = { seq: envelope.seq, hash: hashLine(line) };
    this.#options.onAppended?.({ line: line.toString('utf8', 0, line.length - 1), seq: envelope.seq, file: file.file.name, offset: file.size - line.length });
    return { kind: 'appended', ...this.#head, file: file.file.path };
  }

  /** The day never goes back, though the clock may: the order of the names is the order of the chain. */
  async #fileFor(bytes: number, today: string): Promise<OpenFile> {
    const { folder, rotateBytes = defaultRotateBytes } = this.#options;
    const current = this.#file;
    const full = current !== undefined && current.size > 0 && current.size + bytes > rotateBytes;
    if (current && !full && today <= current.file.day) return current;
    const day = today > this.#after.day ? today : this.#after.day;
    const next = await createFile(folder, day, day === this.#after.day ? this.#after.number + 1 : 1);
    if (current) await this.#leaveFile(current);
    this.#file = next;
    this.#after = next.file;
    return next;
  }

  async #leaveFile(file: OpenFile): Promise<void> {
    this.#file = undefined;
    // best effort: everything that gates something is on the disk already
    await file.handle.close().catch(() => undefined);
  }

  #describe(error: unknown): AuditFailure {
    const errno = errnoOf(error);
    const said = error instanceof Error ? error.message : String(error);
    return { ...failed(`the audit log in ${this.#options.folder} cannot be written: ${said}${adviceFor(errno)}`), cause: error, ...(errno ? { errno } : {}) };
  }
}

function failed(detail: string): AuditFailure {
  return { kind: 'not_written', detail };
}

function adviceFor(errno: string | undefined): string {
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return '; make room on that disk';
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS') return "; let the healer's user write there";
  if (errno === 'ENOENT') return '; make the folder again';
  return '';
}

/** The work itself goes on and keeps its place in the order; only who asked stops waiting. */
async function orTooLate<T>(work: Promise<T>): Promise<T | AuditFailure> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<AuditFailure>((resolve) => {
    timer = setTimeout(() => resolve(failed(`the disk of the audit log did not answer within ${appendTimeoutMs / 1000} s`)), appendTimeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
