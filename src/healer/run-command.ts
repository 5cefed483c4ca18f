/**
 * The only place in the healer that starts a program. A list, never a shell; an absolute program, never a search path;
 * a clean environment; no terminal and, unless the caller has one, no input. Each command leads its own session, so that its end is the end of
 * everything that it started. Expected failures are values; nothing here rejects.
 */
import { createReadStream, statSync, type ReadStream, type WriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { endProcesses } from './end-processes.ts';
import type { CommandResult, RunCommand } from './commands.ts';
import { openOutput } from './open-output.ts';
import { familyOf, isStillAlive, readAllStats } from './proc.ts';
import { userIds } from './user-ids.ts';

type RunOptions = Parameters<RunCommand['run']>[1];
type Child = ReturnType<typeof execa>['nodeChildProcess'];

const defaultTailBytes = 4096;
/** Between TERM and KILL of a command whose time is over. */
const killAfterMs = 2000;
/** A daemon that was just started may keep the pipe: its words after this are not the command's. */
const drainMs = 50;
/** Debian's default search path for root, for what the program itself starts. */
export const cleanEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' };

/** Runs programs for the healer. @see RunCommand */
export const runCommand: RunCommand = { run, startDetached };

async function run(argv: readonly string[], options: RunOptions): Promise<CommandResult> {
  const started = performance.now();
  const finish = (rest: Partial<CommandResult>): CommandResult => ({
    argv,
    exitCode: undefined,
    signal: undefined,
    timedOut: false,
    output: '',
    ...rest,
    durationMs: Math.round(performance.now() - started),
  });
  if (options.signal?.aborted) return finish({ timedOut: true, startError: 'not started: its time was over' });
  const spawned = await spawn(argv, options, 'pipe');
  if ('startError' in spawned) return finish(spawned);
  const output = collectTail(spawned.child, options.outputBytes ?? defaultTailBytes);
  const exit = exitOf(spawned.child);
  const late = await isLate(exit, options);
  if (late) await endTree(spawned.pid);
  // After KILL only a process in uninterruptible sleep is still there; it is left behind rather than waited for.
  const ended = await Promise.race([exit, sleep(late ? drainMs : 2 ** 31 - 1, undefined, { ref: false })]);
  return finish({ exitCode: ended?.code ?? undefined, signal: ended?.signal ?? undefined, timedOut: late, output: await output.finish() });
}

async function startDetached(argv: readonly string[], options: Parameters<RunCommand['startDetached']>[1]): ReturnType<RunCommand['startDetached']> {
  const file = openOutput(options.output);
  if (typeof file === 'string') return { startError: `the output file ${options.output} cannot be written: ${file}` };
  const spawned = await spawn(argv, options, file);
  file.destroy();
  if ('startError' in spawned) return spawned;
  spawned.child.unref();
  return { pid: spawned.pid };
}

async function spawn(
  argv: readonly string[],
  options: Omit<RunOptions, 'timeoutMs'>,
  output: 'pipe' | WriteStream,
): Promise<{ readonly child: Child; readonly pid: number } | { readonly startError: string }> {
  const [program, ...rest] = argv;
  if (!program?.startsWith('/')) return { startError: `expected the program as an absolute path, got ${program ?? 'nothing'}` };
  // Supplementary groups are dropped by the system call layer below Node; the primary one is the account's.
  const who = options.user === undefined ? {} : userIds(options.user);
  if (who === undefined) return { startError: `there is no user ${options.user} in /etc/passwd` };
  const started = execa(program, rest, {
    ...who,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', output, output, ...inherited(options.descriptor)],
    cwd: options.folder ?? '/',
    env: { ...cleanEnvironment, ...options.environment },
    extendEnv: false,
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
  });
  if (started.pid !== undefined) {
    // The result is read from the exit event: execa's own waits for the pipes, which a daemon may keep for ever.
    started.catch(() => undefined);
    // best effort: a program that does not read its input may close it first
    started.nodeChildProcess.stdin?.on('error', () => undefined).end(options.input);
    return { child: started.nodeChildProcess, pid: started.pid };
  }
  const failed = await started;
  return { startError: `${program} could not be started: ${failed.code ?? failed.shortMessage ?? 'unknown error'}${folderMissing(options.folder)}` };
}

/** As a stream, because execa takes no bare descriptor; nothing is read from it, and it stays open here. */
function inherited(descriptor: number | undefined): readonly ReadStream[] {
  return descriptor === undefined ? [] : [createReadStream('', { fd: descriptor, autoClose: false })];
}

/** The system reports a missing folder as if the program were missing. */
function folderMissing(folder: string | undefined): string {
  return folder !== undefined && !statSync(folder, { throwIfNoEntry: false })?.isDirectory() ? ` (the folder ${folder} does not exist)` : '';
}

function exitOf(child: Child): Promise<{ readonly code: number | null; readonly signal: string | null }> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
}

/** False when it ended by itself, true at the deadline or the abort. */
async function isLate(exit: Promise<unknown>, options: RunOptions): Promise<boolean> {
  const deadline = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, deadline.signal]) : deadline.signal;
  const late = sleep(options.timeoutMs, true, { signal }).catch(() => true);
  const result = await Promise.race([exit.then(() => false), late]);
  deadline.abort();
  return result;
}

/** Ends the command with its whole group and session, and with those that left them but are still its descendants. */
async function endTree(pid: number): Promise<void> {
  const processes = familyOf(pid, readAllStats()).filter(isStillAlive);
  await endProcesses({ processes, ask: { signal: 'SIGTERM', to: processes, waitMs: killAfterMs }, signal: new AbortController().signal });
}

/** Keeps the end while reading; everything before it is forgotten at once. */
function collectTail(child: Child, tailBytes: number): { finish(): Promise<string> } {
  let kept = Buffer.alloc(0);
  let finished = false;
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null && stream !== undefined);
  for (const stream of streams) {
    stream.on('data', (chunk: Buffer) => {
      if (!finished) kept = Buffer.concat([kept, chunk.subarray(-tailBytes)]).subarray(-tailBytes);
    });
    stream.on('error', () => undefined);
  }
  const ended = Promise.all(streams.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
  return {
    async finish() {
      await Promise.race([ended, sleep(drainMs)]);
      finished = true;
      // A daemon may still write to the pipe. It is read on and forgotten: closing it would kill the daemon by SIGPIPE.
      for (const stream of streams) if ('unref' in stream && typeof stream.unref === 'function') stream.unref();
      return kept.toString('utf8').trimEnd();
    },
  };
}
