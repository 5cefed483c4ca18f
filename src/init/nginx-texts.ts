/** The texts of nginx's files with the edits that are planned for them. Nothing is written here. */
import type { HostFiles } from '../doctor/host-files.ts';
import { applyEdits, type Edit, type Hunk } from './edit-text.ts';

/** One file of nginx's before and after; `before` is `undefined` for one that is new. */
export interface FileChange {
  readonly file: string;
  readonly before: string | undefined;
  readonly after: string;
  readonly hunks: readonly Hunk[];
}

/** A file of which not all was read cannot be changed. */
const fileLimitBytes = 1024 ** 2;

/** Edits by file. The same edit counts once, because an included file is read in several places. */
export class NginxTexts {
  readonly #files: HostFiles;
  readonly #edits = new Map<string, readonly Edit[]>();
  readonly #before = new Map<string, string | undefined>();

  constructor(files: HostFiles) {
    this.#files = files;
  }

  /** `undefined` where it cannot be changed: not there, larger than 1 MiB, or not UTF-8. */
  async of(file: string): Promise<string | undefined> {
    if (!this.#before.has(file)) {
      const text = await this.#files.text(file);
      this.#before.set(file, text !== undefined && Buffer.byteLength(text) < fileLimitBytes && !text.includes('\ufffd') ? text : undefined);
    }
    return this.#before.get(file);
  }

  /** None may overlap a different one. */
  add(file: string, edits: readonly Edit[]): void {
    const known = this.#edits.get(file) ?? [];
    const fresh = edits.filter((edit) => !known.some(({ start, end, to }) => start === edit.start && end === edit.end && to === edit.to));
    this.#edits.set(file, [...known, ...fresh]);
  }

  create(file: string, text: string): void {
    this.#before.set(file, undefined);
    this.#edits.set(file, [{ start: 0, end: 0, to: text }]);
  }

  changes(): readonly FileChange[] {
    return [...this.#edits].map(([file, edits]) => {
      const before = this.#before.get(file);
      return { file, before, ...applyEdits(before ?? '', edits) };
    });
  }
}
