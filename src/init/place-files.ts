/**
 * The files of the configuration: compared with what is there, checked as `goodgateway check` checks, and only then put
 * in their places. What somebody has edited is never overwritten unless that was asked for, and then it is kept.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { checkFile } from '../config/check-file.ts';
import type { HostConfig } from '../config/host-schema.ts';
import { loadHost } from '../config/load-host.ts';
import type { ConfigBindings } from '../config/load-policies.ts';
import { formatProblem } from '../config/problem.ts';
import { sha256Of, type InstallRecord } from './install-record.ts';
import { writeFileAtomically } from './write-file.ts';

export interface PlannedFile {
  readonly file: string;
  readonly text: string;
  /** What is there now; `undefined`: nothing. */
  readonly there: string | undefined;
  /** `left`: it differs and stays as it is. */
  readonly fate: 'new' | 'same' | 'left' | 'replaced';
}

export interface CheckedPlan {
  readonly files: readonly PlannedFile[];
  /** The configuration as it will be in force; `undefined` with `problems`. */
  readonly host: HostConfig | undefined;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Compares; the first file is goodgateway.yaml. Where that one stays as it is, policies for other gateways help nobody and are left out. */
export async function compareFiles(wanted: readonly { readonly file: string; readonly text: string }[], force: boolean): Promise<readonly PlannedFile[]> {
  const files = await Promise.all(
    wanted.map(async ({ file, text }): Promise<PlannedFile> => {
      const there = await readFile(file, 'utf8').catch(() => undefined);
      return { file, text, there, fate: there === undefined ? 'new' : there === text ? 'same' : force ? 'replaced' : 'left' };
    }),
  );
  return files[0]?.fate === 'left' ? files.filter(({ fate }) => fate !== 'new') : files;
}

/** Loads everything as it will be, before anything is put in place: what is to be written in a folder of its own. */
export async function checkPlan(files: readonly PlannedFile[], bindings: ConfigBindings): Promise<CheckedPlan> {
  const [host] = files;
  if (!host) return { files, host: undefined, problems: [], warnings: [] };
  // a person's configuration may read policies from anywhere
  if (!files.some(({ fate }) => fate === 'new' || fate === 'replaced')) return { files, ...(await checkAt(host.file, bindings, (text) => text)) };
  const folder = await mkdtemp(join(tmpdir(), 'goodgateway-init-'));
  try {
    const place = dirname(host.file);
    await mkdir(join(folder, 'policies.d'), { mode: 0o700 });
    for (const name of await readdir(join(place, 'policies.d')).catch(() => [])) {
      const text = name.endsWith('.yaml') && !name.startsWith('.') ? await readFile(join(place, 'policies.d', name)).catch(() => undefined) : undefined;
      if (text) await writeFile(join(folder, 'policies.d', name), text, { mode: 0o600 });
    }
    for (const { file, text, there, fate } of files) await writeFile(join(folder, file.slice(place.length + 1)), fate === 'left' ? (there ?? '') : text, { mode: 0o600 });
    return { files, ...(await checkAt(join(folder, basename(host.file)), bindings, (text) => text.replaceAll(folder, place))) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function checkAt(file: string, bindings: ConfigBindings, inPlace: (text: string) => string): Promise<Omit<CheckedPlan, 'files'>> {
  const { problems, warnings } = await checkFile(file, bindings);
  const loaded = await loadHost(file);
  const words = (list: typeof problems): readonly string[] => list.map((problem) => inPlace(formatProblem(problem)));
  return { host: loaded.ok ? loaded.host : undefined, problems: words(problems), warnings: words(warnings) };
}

/** Writes what is new or replaced, the policies first: goodgateway.yaml never names what is not there. The record with them in it. */
export async function placeFiles(files: readonly PlannedFile[], record: InstallRecord): Promise<InstallRecord> {
  const written = files.filter(({ fate }) => fate === 'new' || fate === 'replaced');
  for (const { file, text, there, fate } of written.toReversed()) {
    if (fate === 'replaced' && there !== undefined) await writeFileAtomically(await freeBackup(file), there);
    await writeFileAtomically(file, text);
  }
  const wrote = written.map(({ file, text }) => ({ file, sha256: sha256Of(text) }));
  return { ...record, wrote: [...record.wrote.filter(({ file }) => !wrote.some((one) => one.file === file)), ...wrote] };
}

/** `FILE.before-init`, or with a number behind it. Not `.yaml`: it must not be read as a policy. */
async function freeBackup(file: string): Promise<string> {
  const taken = new Set(await readdir(dirname(file)).catch(() => []));
  for (let count = 1; ; count++) {
    const name = `${basename(file)}.before-init${count === 1 ? '' : `-${count}`}`;
    if (!taken.has(name)) return join(dirname(file), name);
  }
}
