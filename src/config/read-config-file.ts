import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { ConfigProblem } from './problem.ts';
import { readText } from './read-text.ts';
import { whoMayChange } from './who-may-change.ts';
import { parseYaml, type YamlDocument } from './yaml-document.ts';

/** Far above any sensible file; bounds what a mistaken path (a log, a disk image) can cost. */
const sizeLimit = { bytes: 1024 ** 2, spoken: '1 MiB' };

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
  const read = await readText(file, sizeLimit);
  if (!read.ok) return { file, sha256: '', documents: [], problems: [{ file, line: 1, column: 1, message: read.reason, path: '' }] };
  const sha256 = createHash('sha256').update(read.bytes).digest('hex');
  const unsafe = await whoMayChange(resolve(file));
  return { file, sha256, ...(unsafe === undefined ? {} : { unsafe }), ...parseYaml(file, read.text) };
}
