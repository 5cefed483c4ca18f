/**
 * What is done to files that are not written to any more: sealing, compressing, removing. Beside the appends and one
 * thing after the other, so that no file is removed while it is compressed.
 */
import type { AuditEvent } from './record.ts';
import { retireFiles, type Keeping } from './retire.ts';
import { sealFiles } from './seal.ts';

export interface HousekeepingOptions extends Keeping {
  readonly folder: string;
  readonly wallMs: () => number;
  /** Writes a record that is on the disk when it resolves; rejects otherwise. */
  readonly write: (event: AuditEvent) => Promise<unknown>;
  /** A file was made read-only. */
  readonly onSealed?: () => void;
}

/** Runs when it is asked to: at opening, and whenever the log goes on in the next file, which is at least once a day. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #again = false;
  /** What was told already; a file that cannot be compressed is tried every time. */
  readonly #told = new Set<string>();

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** Begins, or begins anew after what is under way. Returns at once; never throws. */
  begin(): void {
    this.#again = true;
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Breaks off what can be begun anew, and waits for the rest. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      // best effort: what could not be written keeps files from being removed, until the next time
      await this.#keepHouse().catch(() => undefined);
    }
  }

  async #keepHouse(): Promise<void> {
    const { folder, wallMs, write, onSealed = () => undefined } = this.#options;
    for (const { file, problem } of await sealFiles(folder, { signal: this.#stop.signal, onSealed })) {
      if (this.#told.has(file)) continue;
      await write({ event: 'audit.rotated', text: `${file} could not be sealed and compressed, and stays as it is: ${problem}` });
      this.#told.add(file);
    }
    if (!this.#stop.signal.aborted) await retireFiles({ ...this.#options, wallMs: wallMs() });
  }
}
