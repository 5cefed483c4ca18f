/** The planned change of nginx → made, with backups and the record of it; or taken back, and said why. */
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { SiteQuestion } from './ask-sites.ts';
import { changeNginx, swapOf, type ChangeOutcome, type FileSwap } from './change-nginx.ts';
import { sha256Of, writeRecord, type InstallRecord, type NginxChange } from './install-record.ts';
import type { FileChange } from './nginx-texts.ts';
import type { NginxControl } from './reload-nginx.ts';
import { writeFileAtomically } from './write-file.ts';

export interface ApplyOptions {
  readonly config: string;
  readonly record: InstallRecord;
  readonly changes: readonly FileChange[];
  readonly questions: readonly SiteQuestion[];
  readonly control: NginxControl;
}

/** Backups are kept in `nginx-before/` beside goodgateway.yaml, out of the way of nginx's own patterns. */
export async function applyPlan(options: ApplyOptions): Promise<ChangeOutcome> {
  const { config, record, changes, questions, control } = options;
  const swaps: FileSwap[] = [];
  const recorded: NginxChange[] = [];
  for (const change of changes) {
    const swap = await swapOf(change.file, change.before, change.after);
    if (typeof swap === 'string') return unmade(swap, recorded, record);
    // nginx may read one file by several links
    const known = swaps.find(({ file }) => file === swap.file);
    if (known && !known.after?.equals(Buffer.from(change.after))) return unmade(`${swap.file} is read by several names, and needs different lines there`, recorded, record);
    if (known) continue;
    swaps.push(swap);
    recorded.push({ file: swap.file, backup: await keep(swap, config), after_sha256: sha256Of(change.after), hunks: [...change.hunks] });
  }
  await writeRecord(config, { ...record, nginx: { main: control.main, changes: [...(record.nginx?.changes ?? []), ...recorded] } });
  const outcome = await changeNginx(swaps, questions, control);
  if (outcome.kind === 'reverted') {
    await writeRecord(config, record);
    await forgetCopies(recorded, record);
  }
  return outcome;
}

async function unmade(why: string, recorded: readonly NginxChange[], record: InstallRecord): Promise<ChangeOutcome> {
  await forgetCopies(recorded, record);
  return { kind: 'reverted', why: [why] };
}

/** Of a change that was not made nobody needs a copy, and no record names it. */
async function forgetCopies(unmade: readonly NginxChange[], { nginx }: InstallRecord): Promise<void> {
  const needed = new Set(nginx?.changes.map(({ backup }) => backup));
  for (const { backup } of unmade) if (backup !== null && !needed.has(backup)) await rm(backup, { force: true });
}

async function keep({ file, before }: FileSwap, config: string): Promise<string | null> {
  if (before === undefined) return null;
  const backup = join(dirname(config), 'nginx-before', `${sha256Of(before).slice(0, 12)}-${basename(file)}`);
  await writeFileAtomically(backup, before);
  return backup;
}
