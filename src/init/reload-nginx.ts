/**
 * Tells nginx to read its files again, and finds out what came of it. `nginx -s reload` only sends a signal: the master
 * then reads everything, which takes as long as its certificates and names need. New workers say that it has taken the
 * files; an [emerg] of the master in its error log says that it has not, and goes on as before.
 */
import { open, stat } from 'node:fs/promises';
import { systemClock, type Clock } from '../core/time.ts';
import type { HostFiles } from '../doctor/host-files.ts';
import { readHostProcesses } from '../doctor/processes.ts';
import type { RunCommand } from '../healer/commands.ts';

export interface NginxControl {
  readonly run: RunCommand;
  readonly files: HostFiles;
  readonly program: string;
  /** Its main file. */
  readonly main: string;
  /** Whether it runs: only then it is reloaded, and the sites are asked. */
  readonly master: number | undefined;
  /** The master's own, where that is a file. */
  readonly errorLog?: string | undefined;
  readonly clock?: Clock;
  /** What is going on, for whoever waits. */
  readonly say?: (line: string) => void;
}

/** `late`: neither taken nor refused; it may take them yet. */
export interface NotTaken {
  readonly kind: 'refused' | 'late';
  readonly why: string;
}

const commandMs = 60_000;
const leastMs = 60_000;
/** `nginx -s reload` reads the same files before it sends the signal; the master has the visitors beside that. */
const timesItsReading = 3;
const firstLookMs = 50;
const longestLookMs = 1000;
const sayMs = 10_000;
const logBytes = 65_536;

/** Reload, and wait until no old worker takes connections any more. */
export async function reloadNginx(control: NginxControl): Promise<NotTaken | undefined> {
  const { clock = systemClock, say, errorLog, run, program, main } = control;
  const old = await servingWorkers(control);
  const logged = await sizeOf(errorLog);
  const { durationMs, ...sent } = await run.run([program, '-c', main, '-s', 'reload'], { timeoutMs: commandMs });
  const unsent = spokenFailure(sent);
  if (unsent !== undefined) return { kind: 'refused', why: `nginx -s reload: ${unsent}` };
  const allowedMs = leastMs + timesItsReading * durationMs;
  const began = clock.monotonicMs();
  let saidMs = 0;
  for (let waitedMs = 0; waitedMs < allowedMs; waitedMs = clock.monotonicMs() - began) {
    const now = await servingWorkers(control);
    if (now.length > 0 && !now.some((pid) => old.includes(pid))) return undefined;
    const refusal = await refusalSince(logged, control);
    if (refusal !== undefined) return { kind: 'refused', why: `nginx goes on with its old configuration: ${refusal}` };
    if (waitedMs - saidMs >= sayMs) {
      say?.(`nginx reads its configuration: for ${seconds(waitedMs)} of at most ${seconds(allowedMs)}`);
      saidMs = waitedMs;
    }
    await clock.sleep(Math.min(longestLookMs, firstLookMs + waitedMs / 10));
  }
  return { kind: 'late', why: `nginx has neither taken nor refused its configuration within ${seconds(allowedMs)}` };
}

/** For a person, when nothing more can be done here. */
export function cureForLate({ errorLog, master, main, program }: NginxControl): string {
  return `it may take it yet. See ${errorLog ?? 'its error log'}, and how old its workers are: ps -o pid,etime,args --ppid ${master}; if they stay: ${program} -t -c ${main} && ${program} -c ${main} -s reload`;
}

/** Whether nginx would take its files as they are; why not, as a sentence. */
export async function testConfiguration({ run, program, main }: NginxControl): Promise<string | undefined> {
  const refused = spokenFailure(await run.run([program, '-c', main, '-t'], { timeoutMs: commandMs }));
  return refused === undefined ? undefined : `nginx -t: ${refused}`;
}

function spokenFailure({ exitCode, output, startError, timedOut }: Omit<Awaited<ReturnType<RunCommand['run']>>, 'durationMs'>): string | undefined {
  return exitCode === 0 ? undefined : (startError ?? (timedOut ? `no end within ${seconds(commandMs)}` : output));
}

/** An old worker says in its title that it is shutting down. */
async function servingWorkers({ files, master }: NginxControl): Promise<readonly number[]> {
  const processes = await readHostProcesses(files);
  return processes.filter(({ parent, command }) => parent === master && command === 'nginx: worker process').map(({ pid }) => pid);
}

async function sizeOf(file: string | undefined): Promise<number> {
  return file === undefined
    ? 0
    : stat(file).then(
        ({ size }) => size,
        () => 0,
      );
}

/** What the master wrote. A port that is taken is tried again: only `still could not bind()` is the end. */
async function refusalSince(from: number, { errorLog, master }: NginxControl): Promise<string | undefined> {
  if (errorLog === undefined) return undefined;
  try {
    await using file = await open(errorLog);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(logBytes), 0, logBytes, from);
    return new RegExp(String.raw`\[emerg\] ${master}#\d+: (?!bind\(\))(.+)\n`).exec(buffer.toString('utf8', 0, bytesRead))?.[1];
  } catch {
    // best effort: without it the workers alone tell
    return undefined;
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
