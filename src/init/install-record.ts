/** What `init` wrote and changed, so that `uninstall` takes out that and nothing else. Kept beside goodgateway.yaml. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from './write-file.ts';

const change = z.object({
  /** The file itself, not a link to it. */
  file: z.string(),
  /** A copy of what it was; `null` for a file that was not there. */
  backup: z.string().nullable(),
  after_sha256: z.string(),
  hunks: z.array(z.object({ from: z.string(), to: z.string() })),
});
const recordSchema = z.object({
  version: z.literal(1),
  wrote: z.array(z.object({ file: z.string(), sha256: z.string() })),
  /** nginx's main file, and the changes in their order. */
  nginx: z.object({ main: z.string(), changes: z.array(change) }).nullable(),
});

export type NginxChange = z.output<typeof change>;
export type InstallRecord = z.output<typeof recordSchema>;

export const emptyRecord: InstallRecord = { version: 1, wrote: [], nginx: null };

/** Where the record of this goodgateway.yaml is. */
export function recordFile(config: string): string {
  return join(dirname(config), 'init-record.json');
}

/** The record; an empty one when there is none; why it cannot be read, as a sentence. */
export async function readRecord(config: string): Promise<InstallRecord | string> {
  const file = recordFile(config);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : String(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? emptyRecord : `${file} cannot be read: ${String(code)}`;
  }
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    return `${file} is not what init wrote: move it away, and take changes out by hand`;
  }
}

export async function writeRecord(config: string, record: InstallRecord): Promise<void> {
  await writeFileAtomically(recordFile(config), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** Of a file's bytes, hexadecimal. */
export function sha256Of(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
