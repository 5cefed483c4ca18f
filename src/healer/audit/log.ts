/**
 * The audit log's writer: JSON Lines, a hash chain over the raw lines, one writer. It never throws: what cannot be
 * written is a value, so that its caller refuses to act (no audit, no action), and the next append tries again.
 * It never cuts or repairs what it did not write itself; such a change is told in an `audit.gap` record.
 */
import { mkdir } from 'node:fs/promises';
import type { Clock } from '../../core/time.ts';
import type { ChainHead } from './chain.ts';
import { hashLine } from './chain.ts';
import { gatingEvents } from './event-names.ts';
import { auditDay, plainPath } from './files.ts';
import { Housekeeping } from './housekeeping.ts';
import { buildLine } from './line.ts';
import { Missed } from './missed.ts';
import { appendLine, createFile, errnoOf, findChange, reopenFile, type OpenFile } from './open-file.ts';
import type { AuditEvent, AuditRecord } from './record.ts';
import { recoverTail, type Tail } from './recover-tail.ts';
import type { Keeping } from './retire.ts';
import { readSeal, sealOf } from './seal.ts';
import { notWritten, Turns, type AuditFailure } from './turns.ts';

export interface AuditLogOptions extends Keeping {
  /** Made with mode 0750 when it is missing, at opening only. */
  readonly folder: string;
  readonly host: string;
  /** Product and version: `goodgateway 0.1.0`. */
  readonly agent: string;
  readonly clock: Clock;
  readonly bootId: string;
  /** A file that has grown so far is followed by the next one. Default 64 MiB. */
  readonly rotateBytes?: number;
  /** Told of each record once it stands in the file, in the order of the chain: the line without its newline, and where it begins. Must not throw. */
  readonly onAppended?: (appended: { readonly line: string; readonly seq: number; readonly file: string; readonly offset: number }) => void;
  /** Told of each file that was left once it is read-only. Must not throw. */
  readonly onSealed?: () => void;
}

/** A record that stands in the file; of a gating event, on the disk. `seq` is what another record's `parent` names. */
export interface AppendedRecord {
  readonly kind: 'appended';
  readonly seq: number;
  readonly hash: string;
  readonly file: string;
}

/** `file`: the path of the plain file that holds it. */
export interface AuditHead extends ChainHead {
  readonly file: string;
}

export interface AuditLog {
  /** Never rejects. Appends stand in the file in the order of the calls. */
  append(event: AuditEvent): Promise<AppendedRecord | AuditFailure>;
  /** Intents of earlier runs without an outcome: write `action.unknown` for each and verify; never repeat the act. */
  openIntents(): readonly AuditRecord[];
  /** The openings of incidents of earlier runs whose end is not on record. */
  openIncidents(): readonly AuditRecord[];
  /** The beginning of the last run, when its end is not on record. */
  crashedRun(): AuditRecord | undefined;
  /** The newest record and the hash of its line: told elsewhere, it makes a later cut or change visible. `undefined`: not known yet, or nothing is written. */
  head(): AuditHead | undefined;
  /** Why the log cannot be written at the moment; `undefined` when the last attempt worked. */
  failure(): AuditFailure | undefined;
  /** Waits for the appends under way; later ones fail. Breaks compressing off. */
  close(): Promise<void>;
}

const defaultRotateBytes = 64 * 1024 ** 2;
/** What was missed, and what must be told first, is tried again by itself: nobody may have anything to write for hours. */
const retryMs = 5000;

/** Opens the log; cuts a torn last line and tells of it. Never rejects: see {@link AuditLog.failure}. */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const log = new Writer(options);
  await log.open();
  return log;
}

class Writer implements AuditLog {
  readonly #options: AuditLogOptions;
  readonly #turns: Turns;
  readonly #house: Housekeeping;
  #head: ChainHead | undefined;
  /** The head with the file that it stands in. */
  #written: AuditHead | undefined;
  #file: OpenFile | undefined;
  /** The file that the next one must come after. */
  #after = { day: '', number: 0 };
  #begun: Pick<Tail, 'openIntents' | 'openIncidents' | 'crashedRun'> = { openIntents: [], openIncidents: [], crashedRun: undefined };
  /** Told before anything else, in this order; at most a handful. */
  readonly #owed: AuditEvent[] = [];
  readonly #missed = new Missed();
  #retry: NodeJS.Timeout | undefined;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#turns = new Turns((error) => describe(error, options.folder));
    this.#house = new Housekeeping({ ...options, wallMs: () => options.clock.wallMs(), write: (event) => this.#insist(event) });
  }

  readonly openIntents = (): readonly AuditRecord[] => this.#begun.openIntents;
  readonly openIncidents = (): readonly AuditRecord[] => this.#begun.openIncidents;
  readonly crashedRun = (): AuditRecord | undefined => this.#begun.crashedRun;
  readonly failure = (): AuditFailure | undefined => this.#turns.failure();
  readonly head = (): AuditHead | undefined => this.#written;

  async open(): Promise<void> {
    const opened = await this.#turns.take(async () => {
      await mkdir(this.#options.folder, { recursive: true, mode: 0o750 });
      await this.#recover();
      if (this.#owed.length > 0) await this.#prepare();
    });
    if (opened) this.#retryLater();
    this.#house.begin();
  }

  append(event: AuditEvent): Promise<AppendedRecord | AuditFailure> {
    if (this.#turns.isFull()) this.#miss(event, 'too many records waited for the disk');
    return this.#turns.take(async () => {
      try {
        await this.#prepare();
        return await this.#write(event);
      } catch (error) {
        this.#miss(event, describe(error, this.#options.folder).detail);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.#retry);
    await this.#house.close();
    await this.#turns.close();
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  async #insist(event: AuditEvent): Promise<void> {
    const result = await this.append(event);
    if (result.kind === 'not_written') throw new Error(result.detail);
  }

  #miss(event: AuditEvent, why: string): void {
    this.#missed.add(event, { wallMs: this.#options.clock.wallMs(), why });
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#turns.isClosed()) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      void this.#turns.take(() => this.#prepare()).then((result) => result?.kind === 'not_written' && this.#retryLater());
    }, retryMs).unref();
  }

  async #recover(): Promise<void> {
    const { torn, last, holder, head, ...begun } = await recoverTail(this.#options.folder);
    // At once: it is cut, and will not be found again.
    if (torn) this.#owed.push({ event: 'audit.gap', gap: torn, text: `${torn.bytes} bytes of a line that was never finished were moved to ${torn.file}` });
    const file = last && (await reopenFile(last.file, last.size));
    // The file after it was begun, or must be, and nothing there tells how this one ended.
    if (holder && holder !== file?.file) this.#owed.push(rotated(await readSeal(holder, head.seq)));
    [this.#file, this.#after, this.#begun, this.#head] = [file, last?.file ?? this.#after, begun, head];
    this.#written = holder && { ...head, file: plainPath(holder) };
  }

  /** Everything that comes before a record: the end of the chain, the file that it goes to, and what is owed. */
  async #prepare(): Promise<void> {
    if (!this.#head) await this.#recover();
    await this.#checkFile();
    await this.#chooseFile();
    await this.#payDebts();
  }

  /** A file that somebody else touched is left as it is, for whoever looks into it; the chain goes on in the next. */
  async #checkFile(): Promise<void> {
    const change = this.#file && (await findChange(this.#file));
    if (!this.#file || !change) return;
    this.#owed.push({ event: 'audit.gap', gap: { bytes: change.bytes, file: this.#file.file.name }, sealed: sealOf(this.#file, this.#head?.seq ?? 0), text: change.text });
    await this.#leaveFile(this.#file);
  }

  async #payDebts(): Promise<void> {
    for (let first = this.#owed[0]; first; first = this.#owed[0]) {
      await this.#write(first);
      this.#owed.shift();
    }
    const missed = this.#missed.tell();
    if (!missed) return;
    await this.#write(missed);
    this.#missed.told(missed.unwritten);
  }

  /** The day never goes back, though the clock may: the order of the names is the order of the chain. */
  async #chooseFile(): Promise<void> {
    const { folder, clock, rotateBytes = defaultRotateBytes } = this.#options;
    const today = auditDay(clock.wallMs());
    const current = this.#file;
    if (current && current.size < rotateBytes && today <= current.file.day) return;
    const day = today > this.#after.day ? today : this.#after.day;
    const next = await createFile(folder, day, day === this.#after.day ? this.#after.number + 1 : 1);
    if (current && current.size > 0) this.#owed.push(rotated(sealOf(current, this.#head?.seq ?? 0)));
    if (current) await this.#leaveFile(current);
    [this.#file, this.#after] = [next, next.file];
    this.#house.begin();
  }

  async #write(event: AuditEvent): Promise<AppendedRecord> {
    const { clock, bootId, host, agent } = this.#options;
    const [head, file] = [this.#head, this.#file];
    if (!head || !file) throw new Error('the end of the chain is not known');
    const envelope = { seq: head.seq + 1, ts: new Date(clock.wallMs()).toISOString(), mono_ms: Math.round(clock.monotonicMs()), boot: bootId, host, agent };
    const line = buildLine(envelope, event, head.hash);
    if (!line) throw new Error('the record is longer than a line may be');
    await appendLine(file, line, gatingEvents.has(event.event));
    this.#head = { seq: envelope.seq, hash: hashLine(line) };
    this.#written = { ...this.#head, file: file.file.path };
    this.#options.onAppended?.({ line: line.toString('utf8', 0, line.length - 1), seq: envelope.seq, file: file.file.name, offset: file.size - line.length });
    return { kind: 'appended', ...this.#written };
  }

  async #leaveFile(file: OpenFile): Promise<void> {
    this.#file = undefined;
    // best effort: everything that gates something is on the disk already
    await file.handle.close().catch(() => undefined);
  }
}

/** The first record of a file tells how the one before ended. */
function rotated(sealed: NonNullable<AuditEvent['sealed']>): AuditEvent {
  return { event: 'audit.rotated', sealed, text: `${sealed.file} ended with record ${sealed.last_seq}; SHA-256 of the whole file: ${sealed.sha256}` };
}

function describe(error: unknown, folder: string): AuditFailure {
  const errno = errnoOf(error);
  const said = error instanceof Error ? error.message : String(error);
  return { ...notWritten(`the audit log in ${folder} cannot be written: ${said}${adviceFor(errno)}`), cause: error, ...(errno ? { errno } : {}) };
}

function adviceFor(errno: string | undefined): string {
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return '; make room on that disk';
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS') return "; let the healer's user write there";
  if (errno === 'ENOENT') return '; make the folder again';
  return '';
}
