import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

export type TextRead = { readonly ok: true; readonly bytes: Uint8Array; readonly text: string } | { readonly ok: false; readonly reason: string };

/** Reads a UTF-8 file of at most so many bytes, without its byte order mark. Never rejects: the reason is a sentence for people. */
export async function readText(file: string, limit: { readonly bytes: number; readonly spoken: string }): Promise<TextRead> {
  let handle: FileHandle | undefined;
  try {
    // Without NONBLOCK, opening a FIFO waits for ever for somebody to write into it.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile()) return { ok: false, reason: 'expected a file, and this is none' };
    if (stat.size > limit.bytes) return { ok: false, reason: `expected at most ${limit.spoken}, and the file has ${stat.size} bytes` };
    const bytes = await handle.readFile();
    const text = decode(bytes);
    return text === undefined ? { ok: false, reason: 'expected UTF-8 text' } : { ok: true, bytes, text };
  } catch (error) {
    return { ok: false, reason: reasonOf(error) };
  } finally {
    await handle?.close();
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'this user may not read the file';
  return `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}
