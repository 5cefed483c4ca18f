/**
 * Keeps in files what an action is about to destroy: R11, evidence before action. All collectors at once, each with
 * its own word in the manifest, none waited for longer than the policy says. Secrets are taken out before anything
 * touches the disk; what is kept may be read by root only.
 */
import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { CollectorName } from '../config/policy-schema.ts';
import { redact } from './audit/redact.ts';
import type { Collector, CollectorContext } from './leaves.ts';

export interface CaptureRequest {
  /** A folder of its own for this one capture; it must not exist yet. */
  readonly folder: string;
  readonly wanted: readonly CollectorName[];
  readonly collectors: readonly Collector[];
  /** `maxBytes`: of all files together. */
  readonly context: CollectorContext;
  readonly signal: AbortSignal;
}

/** What was kept. `files` counts collectors that had something to say; `not_kept`: nothing could be written. */
export type Captured =
  { readonly kind: 'kept'; readonly folder: string; readonly manifestSha256: string; readonly bytes: number; readonly files: number } | { readonly kind: 'not_kept'; readonly detail: string };

interface Entry {
  readonly collector: CollectorName;
  readonly status: 'kept' | 'skipped' | 'failed';
  readonly file?: string;
  readonly bytes?: number;
  readonly sha256?: string;
  readonly cut?: true;
  readonly redacted?: number;
  readonly detail?: string;
}

/** Never rejects. Over after the context's `timeoutMs` and the writing of what came until then. */
export async function captureEvidence(request: CaptureRequest): Promise<Captured> {
  const { folder, wanted, context } = request;
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  try {
    await mkdir(join(folder, '..'), { recursive: true, mode: 0o700 });
    await mkdir(folder, { mode: 0o700 });
    timer = setTimeout(() => over.abort(), context.timeoutMs);
    const inTime = AbortSignal.any([request.signal, over.signal]);
    // As many equal parts as there are collectors: none can push another's words out.
    const share = { ...context, maxBytes: Math.floor(context.maxBytes / Math.max(1, wanted.length)) };
    const entries = await Promise.all(wanted.map((name) => keepOne(name, { request, context: share, inTime })));
    const manifest = `${JSON.stringify({ version: 1, service: context.target.name, entries }, undefined, 1)}\n`;
    await writePrivate(join(folder, 'manifest.json'), manifest);
    const bytes = entries.reduce((sum, entry) => sum + (entry.bytes ?? 0), 0);
    return { kind: 'kept', folder, manifestSha256: sha256(manifest), bytes, files: entries.filter((entry) => entry.status === 'kept').length };
  } catch (error) {
    return { kind: 'not_kept', detail: `no evidence could be kept in ${folder}: ${messageOf(error)}` };
  } finally {
    clearTimeout(timer);
  }
}

async function keepOne(name: CollectorName, { request, context, inTime }: { request: CaptureRequest; context: CollectorContext; inTime: AbortSignal }): Promise<Entry> {
  const collector = request.collectors.find((one) => one.name === name);
  if (!collector?.applies(context.target)) return { collector: name, status: 'skipped', detail: 'it does not apply to this kind of service' };
  let said: string;
  try {
    said = await orAborted(collector.collect(context, inTime), inTime);
  } catch (error) {
    return { collector: name, status: 'failed', detail: messageOf(error) };
  }
  const { text, replaced } = redactAll(said);
  const whole = Buffer.from(text);
  const kept = whole.subarray(Math.max(0, whole.length - context.maxBytes));
  const file = `${name.replaceAll('_', '-')}.txt`;
  await writePrivate(join(request.folder, file), kept);
  return {
    collector: name,
    status: 'kept',
    file,
    bytes: kept.length,
    sha256: sha256(kept),
    ...(kept.length < whole.length ? { cut: true } : {}),
    ...(replaced > 0 ? { redacted: replaced } : {}),
  };
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new Error('it was not finished in time'));
    if (signal.aborted) return late();
    signal.addEventListener('abort', late, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', late));
  });
}

/** As much as the search for secrets takes at once. */
const pieceLength = 60_000;

/** Piece by piece, cut between lines; a key that lies across two pieces is taken out of both. */
function redactAll(text: string): { readonly text: string; readonly replaced: number } {
  const pieces: string[] = [];
  for (let at = 0; at < text.length;) {
    const lineEnd = text.lastIndexOf('\n', at + pieceLength);
    const end = at + pieceLength >= text.length ? text.length : lineEnd > at ? lineEnd + 1 : at + pieceLength;
    pieces.push(text.slice(at, end));
    at = end;
  }
  const redacted = pieces.map(redact);
  return { text: redacted.map((piece) => piece.text).join(''), replaced: redacted.reduce((sum, piece) => sum + piece.replaced, 0) };
}

async function writePrivate(path: string, content: string | Buffer): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(content);
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
