import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the helpers need of a test: something to run when it is over. Run in reverse order, the newest first. */
export interface TestScope {
  teardown(run: () => unknown): unknown;
}

/**
 * A fresh folder under the system's temporary folder, removed when the test is over. Short, because a unix socket's
 * path ends at 107 bytes; readable by all, because workers of real servers run as another user.
 */
export function tempFolder(t: TestScope, prefix = 'gg'): string {
  const folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** At one moment, as editors and package managers do: goodgateway also looks by itself. */
export function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}~`, text);
  renameSync(`${file}~`, file);
}
