/**
 * Which goodgateway.yaml this proxy goes by. The healer judges a configuration, because only it reads all of it; so
 * while a healer is there, what it obeys is what a proxy starts with, whatever the file says by now.
 */
import { join } from 'node:path';
import { someoneListens } from '../channel/listen-on.ts';
import { whyNotTrusted } from '../channel/whose-socket.ts';
import { inForceFile } from '../config/in-force.ts';
import type { HostConfig } from '../config/host-schema.ts';
import { loadHost, type LoadedHost } from '../config/load-host.ts';
import { formatProblem, type ConfigProblem } from '../config/problem.ts';

export interface HostSource {
  /** What was loaded at the start. */
  readonly first: Pick<LoadedHost, 'host' | 'sha256'>;
  /** The file as it is now; with a hash, the file or the healer's copy of it, whichever has it. Problems are sentences with their places. */
  read(sha256?: string): Promise<LoadedHost | { readonly ok: false; readonly problems: readonly string[] }>;
}

export type FirstHost = { readonly ok: true; readonly source: HostSource; readonly host: HostConfig; readonly notice?: string } | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

const usualRuntime = '/run/goodgateway';

/** Reads what this proxy starts with. `notice`: it is not the file, and why. */
export async function findHost(file: string, knownRuntime?: string): Promise<FirstHost> {
  const written = await loadHost(file);
  const runtime = knownRuntime ?? (written.ok ? written.host.runtime : usualRuntime);
  const copy = inForceFile(runtime);
  const isJudged = await someoneListens(join(runtime, 'healer.sock'));
  const kept = (isJudged || !written.ok) && whyNotTrusted(copy) === undefined ? await loadHost(copy) : undefined;
  const source = (first: LoadedHost): HostSource => ({ first, read: (sha256) => readAgain(file, copy, sha256) });
  if (kept?.ok && !(written.ok && written.sha256 === kept.sha256)) {
    const why = written.ok ? 'the healer has not taken it' : `it has a mistake: ${written.problems.map(formatProblem)[0] ?? ''}`;
    return { ok: true, source: source(kept), host: kept.host, notice: `this proxy goes by what was in force, and not by ${file}: ${why}; goodgateway check says more` };
  }
  return written.ok ? { ok: true, source: source(written), host: written.host } : written;
}

async function readAgain(file: string, copy: string, sha256: string | undefined): ReturnType<HostSource['read']> {
  const written = await loadHost(file);
  if (sha256 === undefined || (written.ok && written.sha256 === sha256)) return written.ok ? written : { ok: false, problems: written.problems.map(formatProblem) };
  const kept = whyNotTrusted(copy) === undefined ? await loadHost(copy) : undefined;
  if (kept?.ok && kept.sha256 === sha256) return kept;
  const told = written.ok ? [`${file}:1:1: the proxy reads another file here than the healer, or it was changed again meanwhile`] : written.problems.map(formatProblem);
  return { ok: false, problems: told };
}
