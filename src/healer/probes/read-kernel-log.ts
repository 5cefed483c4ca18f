import { closeSync, constants, openSync, readSync } from 'node:fs';

/** One line of the kernel's log; wall time, as exact as the clocks go together. */
export interface KernelLine {
  readonly atMs: number;
  readonly text: string;
}

/** More than its ring holds. */
const mostRecords = 20_000;
/** The kernel gives one record at a read, and none that is longer. */
const recordBytes = 8192;

/**
 * What the kernel's log holds now, oldest first; or why it cannot be read (it needs root). Takes some milliseconds.
 * @see https://www.kernel.org/doc/Documentation/ABI/testing/dev-kmsg
 */
export function readKernelLog(path = '/dev/kmsg'): readonly KernelLine[] | string {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  try {
    return readRecords(file);
  } finally {
    closeSync(file);
  }
}

function readRecords(file: number): readonly KernelLine[] {
  const bootMs = Date.now() - Number(process.hrtime.bigint() / 1_000_000n);
  const buffer = Buffer.alloc(recordBytes);
  const lines: KernelLine[] = [];
  for (let count = 0; count < mostRecords; count++) {
    const length = readRecord(file, buffer);
    if (length === 0) break;
    // `6,1234,5678901,-;text`, and lines of keys behind it; from 8 on it is not the kernel that wrote it
    const record = /^[0-7],\d+,(\d+),[^;]*;([^\n]*)/.exec(buffer.toString('utf8', 0, length));
    if (record) lines.push({ atMs: bootMs + Number(record[1]) / 1000, text: record[2]! });
  }
  return lines;
}

/** 0 at the end. A record that was overwritten while the log was read (EPIPE) is one less: length 1 says so. */
function readRecord(file: number, buffer: Buffer): number {
  try {
    return readSync(file, buffer);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPIPE' ? 1 : 0;
  }
}
