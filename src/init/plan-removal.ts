/** What `init` left on a machine → what `uninstall` takes out, and what it leaves with the reason. Nothing is done here. */
import { readFile, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostConfig } from '../config/host-schema.ts';
import { parseNginx } from '../doctor/nginx/parse-nginx.ts';
import { nginxFrom, type Pass } from '../doctor/nginx/passes.ts';
import type { FileSwap } from './change-nginx.ts';
import { takeBack } from './edit-text.ts';
import { sha256Of, type InstallRecord, type NginxChange } from './install-record.ts';

export interface Removal {
  /** nginx's files as they are, and as they were. */
  readonly nginx: readonly FileSwap[];
  /** Files of ours that nobody has touched. */
  readonly files: readonly string[];
  /** Copies of nginx's files that nobody needs any more. */
  readonly backups: readonly string[];
  /** What stays, each with the reason. */
  readonly left: readonly LeftFile[];
  /** What of the record goes on to count, because it stays. */
  readonly record: InstallRecord;
}

export interface LeftFile {
  readonly file: string;
  readonly why: string;
  /** One of nginx's own. */
  readonly isNginx: boolean;
}

/** Everything in the record, as it is on the disk now. */
export async function planRemoval(record: InstallRecord): Promise<Removal> {
  const left: LeftFile[] = [];
  const edited = new Set<string>();
  const nginx = new Map<string, FileSwap>();
  // the newest change of a file first: each is taken out of what the one before it left
  for (const change of (record.nginx?.changes ?? []).toReversed()) {
    const known = nginx.get(change.file);
    const bytes = known ? known.after : await readFile(change.file).catch(() => undefined);
    const undone = bytes === undefined ? undefined : await undo(change, bytes);
    // a file of ours that is gone leaves nothing to do
    if (bytes === undefined && change.backup === null) continue;
    if (bytes === undefined) left.push({ file: change.file, why: 'it is not there any more', isNginx: true });
    else if (undone === 'edited') {
      edited.add(change.file);
      left.push({
        file: change.file,
        why: `it was edited where init changed it: take out what leads to goodgateway by hand${change.backup === null ? '' : `; as it was: ${change.backup}`}`,
        isNginx: true,
      });
    } else nginx.set(change.file, { file: change.file, before: known ? known.before : bytes, after: undone });
  }
  const files: string[] = [];
  for (const { file, sha256 } of record.wrote) {
    const bytes = await readFile(file).catch(() => undefined);
    if (bytes === undefined) continue;
    if (sha256Of(bytes) === sha256) files.push(file);
    else left.push({ file, why: 'it was changed since init wrote it', isNginx: false });
  }
  const changes = record.nginx?.changes ?? [];
  const kept = changes.filter(({ file }) => edited.has(file));
  const keptBackups = new Set(kept.map(({ backup }) => backup));
  return {
    nginx: [...nginx.values()],
    files,
    left,
    // two changes that began with the same bytes share one
    backups: changes.flatMap(({ backup }) => (backup === null || keptBackups.has(backup) ? [] : [backup])),
    record: {
      version: 1,
      wrote: record.wrote.filter(({ file }) => left.some((one) => one.file === file)),
      nginx: record.nginx && kept.length > 0 ? { main: record.nginx.main, changes: kept } : null,
    },
  };
}

/** The bytes before; `undefined` for a file that was not there; `edited` when what init wrote cannot be found in it. */
async function undo({ backup, after_sha256: after, hunks }: NginxChange, bytes: Buffer): Promise<Buffer | undefined | 'edited'> {
  const kept = backup === null ? undefined : await readFile(backup).catch(() => undefined);
  if (sha256Of(bytes) === after) {
    if (backup === null) return undefined;
    if (kept) return kept;
  }
  // the change was on record, and not made: init was ended in between
  if (kept?.equals(bytes)) return bytes;
  // somebody has added to a file that is ours: that may be needed
  if (backup === null) return 'edited';
  const text = takeBack(bytes.toString('utf8'), hunks);
  return text === undefined ? 'edited' : Buffer.from(text);
}

/** Files that lead to goodgateway and would go on to, or that would name a block which is gone. */
export async function placesByHand(through: readonly Pass[], { nginx }: Removal): Promise<readonly string[]> {
  const places = new Set<string>();
  for (const { upstream, line } of through) {
    const [own, block] = await Promise.all([line.file, (upstream?.line ?? line).file].map((file) => realpath(file).catch(() => file)));
    const swap = nginx.find(({ file }) => file === block);
    const after = swap?.after?.toString('utf8') ?? '';
    const staysNamed = upstream && nginxFrom(upstream.line.file, parseNginx(after, '')).upstreams.some(({ name }) => name === upstream.name);
    if (!swap) places.add(block!);
    else if (!staysNamed && !nginx.some(({ file }) => file === own)) places.add(own!);
  }
  return [...places];
}

/** What a running goodgateway has written, for `--purge`: known names only, because a folder may be shared. */
export async function ownTraces(host: HostConfig): Promise<readonly string[]> {
  const known: readonly (readonly [folder: string, names: RegExp])[] = [
    [host.audit.folder, /^audit-\d{8}-\d{2,}\.(jsonl|jsonl\.gz|index)$/],
    [host.state, /^(compile-cache|evidence|spool|doctor\.json|healing\.json(\.corrupt-\d+|\.new)?|[\w.-]+\.out)$/],
  ];
  const found = await Promise.all(known.map(async ([folder, names]) => (await readdir(folder).catch(() => [])).filter((name) => names.test(name)).map((name) => join(folder, name))));
  return found.flat();
}
