import { logFilesOf } from '../probes/read-log-files.ts';
import { openRegularFile } from '../probes/read-regular-file.ts';
import type { Collector } from '../leaves.ts';

/** The end of each of the service's logs, as much of each as fits. */
export const logTail: Collector = {
  name: 'log_tail',
  applies: (target) => logFilesOf(target).length > 0,
  async collect({ target, maxBytes }) {
    const files = logFilesOf(target);
    const each = Math.floor(maxBytes / files.length);
    return (await Promise.all(files.map((file) => tailOf(file, each)))).join('\n');
  },
};

async function tailOf(path: string, bytes: number): Promise<string> {
  try {
    await using file = await openRegularFile(path);
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, bytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, size - buffer.length);
    return `==> ${path} (the last ${bytesRead} of ${size} bytes)\n${wholeLines(buffer.toString('utf8', 0, bytesRead), size > bytes)}`;
  } catch (error) {
    return `==> ${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Half a line may begin in the middle of a secret. */
function wholeLines(text: string, isCut: boolean): string {
  return isCut ? text.slice(text.indexOf('\n') + 1) : text;
}
