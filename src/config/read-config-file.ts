import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ConfigProblem } from './problem.ts';
import { whoMayChange } from './who-may-change.ts';
import { parseYaml, type YamlDocument } from './yaml-document.ts';

/** Far above any sensible file; bounds what a mistaken path (a log, a disk image) can cost. */
const sizeLimitBytes = 1024 ** 2;

/** One file as it was read: all of its documents and what is wrong with it as a file and as YAML. */
export interface ConfigFile {
  readonly file: string;
  /** Of the bytes on disk, hexadecimal. Empty when the file could not be read. */
  readonly sha256: string;
  /** Why others may change it, and so decide what a healer with rights does, with the cure; `undefined` when nobody may. */
  readonly unsafe?: string;
  readonly documents: readonly YamlDocument[];
  readonly problems: readonly ConfigProblem[];
}

/** Reads a YAML file of at most 1 MiB. Never rejects: what is wrong is a problem of the file. */
export async function readConfigFile(file: string): Promise<ConfigFile> {
  let handle: FileHandle | undefined;
  try {
    // Without NONBLOCK, opening a FIFO waits for ever for somebody to write into it.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    return await read(file, handle);
  } catch (error) {
    return unreadable(file, reasonOf(error));
  } finally {
    await handle?.close();
  }
}

async function read(file: string, handle: FileHandle): Promise<ConfigFile> {
  const stat = await handle.stat();
  if (!stat.isFile()) return unreadable(file, 'expected a file, and this is none');
  if (stat.size > sizeLimitBytes) return unreadable(file, `expected at most 1 MiB, and the file has ${stat.size} bytes`);
  const bytes = await handle.readFile();
  const text = decode(bytes);
  if (text === undefined) return unreadable(file, 'expected UTF-8 text');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const unsafe = await whoMayChange(resolve(file));
  return { file, sha256, ...(unsafe === undefined ? {} : { unsafe }), ...parseYaml(file, text) };
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function unreadable(file: string, message: string): ConfigFile {
  return { file, sha256: '', documents: [], problems: [{ file, line: 1, column: 1, message, path: '' }] };
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'this user may not read the file';
  return `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}
