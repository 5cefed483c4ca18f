/**
 * A file of lines that is written beside the traffic: lines gather for up to a second and are appended together. While the
 * file takes nothing (a full disk, a folder that is gone) it is tried again every second; what does not fit into memory
 * meanwhile is dropped and counted. No line is ever mixed with another.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** Written at once: fewer calls of the system under load. */
const gatheredBytes = 16 * 1024;
const everyMs = 1000;
/** A disk that hangs does not keep the proxy from ending. */
const longestEndMs = 1000;
/** What may wait: some thousand lines. */
const waitingBytes = 1024 * 1024;
/** Of a file that is made here. Other users of the host are not to read it; logrotate's `create` says who may. */
const mode = 0o640;
const nothing = Buffer.alloc(0);

export class AppendFile {
  readonly #path: string;
  /** Told once when it begins to fail, and with `undefined` when it works again. */
  readonly #changed: (failure: string | undefined) => void;
  #file: FileHandle | undefined;
  #lines: string[] = [];
  #lineBytes = 0;
  /** What was taken out of `lines` and is not written yet. */
  #rest: Buffer = nothing;
  /** `rest` begins in the middle of a line whose beginning is in the file already. */
  #isTorn = false;
  #wasMoved = false;
  #failure: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #dropped = 0;
  #closed = false;

  constructor(path: string, changed: (failure: string | undefined) => void) {
    this.#path = path;
    this.#changed = changed;
    // so that it is there, and its trouble known, before the first line
    void this.#flush();
  }

  /** Lines that were lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** `line` ends in a newline. Returns at once. */
  write(line: string): void {
    // counted in characters: nearly all are one byte
    if (this.#closed || this.#rest.length + this.#lineBytes + line.length > waitingBytes) {
      this.#dropped += 1;
      return;
    }
    this.#lines.push(line);
    this.#lineBytes += line.length;
    if (this.#lineBytes >= gatheredBytes && this.#failure === undefined) void this.#flush();
    else this.#soon();
  }

  /** Goes on in a new file of the same name: the old one was moved. What was begun is finished in the old one. */
  reopen(): Promise<void> {
    this.#wasMoved = true;
    return this.#flush();
  }

  /** Writes what waits, if the file takes it within a second; never rejects. */
  async close(): Promise<void> {
    await Promise.race([this.#end(), pause(longestEndMs, undefined, { ref: false })]);
  }

  async #end(): Promise<void> {
    await this.#working;
    await this.#flush();
    this.#closed = true;
    clearTimeout(this.#timer);
    // best effort: nothing can be done about a file that cannot be closed
    await this.#file?.close().catch(() => undefined);
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => void this.#flush(), everyMs).unref();
  }

  #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return (this.#working ??= this.#work());
  }

  async #work(): Promise<void> {
    try {
      do {
        const file = this.#file === undefined || this.#wasMoved ? await this.#open() : this.#file;
        await this.#writeRest(file);
        this.#rest = Buffer.from(this.#lines.join(''));
        this.#lines = [];
        this.#lineBytes = 0;
      } while (this.#rest.length > 0 || this.#wasMoved);
      this.#tell(undefined);
    } catch (error) {
      this.#tell(error instanceof Error ? error.message : String(error));
      if (!this.#closed) this.#soon();
    } finally {
      this.#working = undefined;
    }
  }

  async #open(): Promise<FileHandle> {
    this.#wasMoved = false;
    if (this.#isTorn) this.#giveUpTornLine();
    const before = this.#file;
    this.#file = undefined;
    // best effort: what was written to it is in it
    await before?.close().catch(() => undefined);
    this.#file = await open(this.#path, 'a', mode);
    if (await endsInHalfALine(this.#path)) this.#rest = Buffer.concat([Buffer.from('\n'), this.#rest]);
    return this.#file;
  }

  /** Its beginning is in the old file, where nothing follows it any more. */
  #giveUpTornLine(): void {
    this.#rest = this.#rest.subarray(this.#rest.indexOf('\n') + 1);
    this.#isTorn = false;
    this.#dropped += 1;
  }

  async #writeRest(file: FileHandle): Promise<void> {
    while (this.#rest.length > 0) {
      const { bytesWritten } = await file.write(this.#rest);
      this.#isTorn = bytesWritten > 0 ? bytesWritten < this.#rest.length && this.#rest[bytesWritten - 1] !== newline : this.#isTorn;
      this.#rest = this.#rest.subarray(bytesWritten);
    }
  }

  #tell(failure: string | undefined): void {
    if ((failure === undefined) !== (this.#failure === undefined)) this.#changed(failure);
    this.#failure = failure;
  }
}

const newline = 0x0a;

/** Whoever wrote it last was killed, or its disk was full. Best effort: where it cannot be found out, it does not. */
async function endsInHalfALine(path: string): Promise<boolean> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const about = await file.stat();
    if (!about.isFile() || about.size === 0) return false;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, about.size - 1);
    return buffer[0] !== newline;
  } catch {
    return false;
  }
}
