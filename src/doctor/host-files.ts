/**
 * The host's files as the checks read them: only regular ones, bounded, never executed, and every refusal remembered, so
 * that what was not seen can be listed. In tests another folder stands for `/`, also for /proc.
 */
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { openRegularFile } from '../healer/probes/read-regular-file.ts';

const fileLimitBytes = 1024 ** 2;
const partBytes = 16 * 1024;
const endBytes = 256 * 1024;
const entriesAtMost = 100_000;
/** As the kernel. */
const linksAtMost = 40;

/** Reads below one root. A path that does not exist is simply empty; one that is refused is also in {@link refused}. */
export class HostFiles {
  readonly root: string;
  readonly #refused = new Set<string>();

  constructor(root = '') {
    this.root = root;
  }

  /** Paths that this user may not read, as they were asked for. */
  get refused(): readonly string[] {
    return [...this.#refused];
  }

  /** The text, at most 1 MiB of it; `undefined` when there is none to read. */
  async text(path: string): Promise<string | undefined> {
    try {
      await using file = await openRegularFile(await this.#below(path));
      const parts: Buffer[] = [];
      // files of /proc have no size, and give a part at a time
      for (let length = 0, got = -1; got !== 0 && length < fileLimitBytes; length += got) {
        const part = Buffer.allocUnsafe(partBytes);
        got = (await file.read(part, 0, partBytes)).bytesRead;
        parts.push(part.subarray(0, got));
      }
      return Buffer.concat(parts).toString('utf8');
    } catch (error) {
      return this.#absent(path, error);
    }
  }

  /** The last 256 KiB of a text, such as a log; `undefined` when there is none to read. */
  async end(path: string): Promise<string | undefined> {
    try {
      await using file = await openRegularFile(await this.#below(path));
      const { size } = await file.stat();
      const buffer = Buffer.alloc(Math.min(size, endBytes));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString('utf8', 0, bytesRead);
    } catch (error) {
      return this.#absent(path, error);
    }
  }

  /** Lines of a text without those that a program skips: blank ones and comments. Numbers count from 1. */
  async lines(path: string): Promise<readonly { readonly text: string; readonly line: number }[]> {
    const lines = ((await this.text(path)) ?? '').split('\n').map((text, index) => ({ text: text.trim(), line: index + 1 }));
    return lines.filter(({ text }) => text !== '' && !/^[#;]/.test(text));
  }

  /** Names in a folder, sorted, at most 100,000. */
  async list(folder: string): Promise<readonly string[]> {
    try {
      return (await readdir(await this.#below(folder))).toSorted().slice(0, entriesAtMost);
    } catch (error) {
      return this.#absent(folder, error) ?? [];
    }
  }

  /** Paths that match a pattern of the shell (`*`, `?`, `[…]` within one folder), sorted. */
  async matching(pattern: string): Promise<readonly string[]> {
    let found: readonly string[] = [''];
    for (const part of pattern.split('/').filter((name) => name !== '')) {
      const isLiteral = !/[*?[]/.test(part);
      const next = await Promise.all(found.map(async (folder) => (isLiteral ? [part] : (await this.list(folder || '/')).filter(matcher(part))).map((name) => `${folder}/${name}`)));
      found = next.flat().slice(0, entriesAtMost);
    }
    const there = await Promise.all(found.map((path) => this.stat(path)));
    return found.filter((_, index) => there[index] !== undefined);
  }

  /** What a path leads to; `undefined` when there is nothing. */
  async stat(path: string): Promise<Stats | undefined> {
    return stat(await this.#below(path)).catch((error: unknown) => this.#absent(path, error));
  }

  /** The same of a link itself. */
  async lstat(path: string): Promise<Stats | undefined> {
    return lstat(this.root + path).catch((error: unknown) => this.#absent(path, error));
  }

  /** The first of these paths that exists. */
  async first(paths: readonly string[]): Promise<string | undefined> {
    for (const path of paths) if (await this.stat(path)) return path;
    return undefined;
  }

  /** Of another root the links are that machine's, too: Debian's in sites-enabled begin with a slash. */
  async #below(path: string): Promise<string> {
    if (this.root === '') return path;
    const left = path.split('/');
    let at = '';
    for (let links = 0; left.length > 0;) {
      const part = left.shift()!;
      if (part === '' || part === '.') continue;
      const target = part === '..' || links >= linksAtMost ? undefined : await readlink(`${this.root}${at}/${part}`).catch(() => undefined);
      if (target === undefined) {
        at = part === '..' ? at.slice(0, Math.max(0, at.lastIndexOf('/'))) : `${at}/${part}`;
        continue;
      }
      links++;
      if (target.startsWith('/')) at = '';
      left.unshift(...(target.startsWith(`${this.root}/`) ? target.slice(this.root.length) : target).split('/'));
    }
    return this.root + at;
  }

  #absent(path: string, error: unknown): undefined {
    // who opens a regular file says the path, and keeps the system's error as the cause
    const system = error instanceof Error && !('code' in error) ? error.cause : error;
    const code = system instanceof Error && 'code' in system ? system.code : undefined;
    if ((code === 'EACCES' || code === 'EPERM') && !path.startsWith('/proc/')) this.#refused.add(path);
    return undefined;
  }
}

/** As the shell: `*` and `?` match no leading dot. */
function matcher(part: string): (name: string) => boolean {
  const body = part
    .replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
    .replaceAll('[!', '[^');
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^${part.startsWith('.') ? '' : String.raw`(?!\.)`}${body}$`);
  } catch {
    return () => false;
  }
  return (name) => pattern.test(name);
}
