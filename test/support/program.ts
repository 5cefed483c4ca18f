import { spawn, type ChildProcess } from 'node:child_process';
import { signal } from './processes.ts';

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Both streams as they came, the last 64 KiB. */
  readonly output: string;
}

export interface Running {
  readonly pid: number;
  /** Everything printed so far, both streams, the last 1 MiB. */
  output(): string;
  /** Resolves when it has ended and its streams are closed. */
  readonly ended: Promise<Finished>;
}

export interface ProgramOptions {
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Standard input; nothing by default. */
  readonly input?: string;
}

/**
 * The test runner adds a loader to the NODE_OPTIONS of everything that a test starts; goodgateway under test must run
 * as it does elsewhere (its proxy may not even load it).
 */
const withoutTestRunner = ['/usr/bin/env', '-u', 'NODE_OPTIONS'] as const;

/** Starts a program that stays. One that cannot be started ends with 127 and says so. */
export function start(argv: readonly string[], options: ProgramOptions = {}): Running {
  const [program, ...rest] = [...withoutTestRunner, ...argv] as const;
  const child = spawn(program, rest, {
    cwd: options.folder,
    env: { ...process.env, ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = collect(child);
  const ended = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, output: output() }));
  });
  // best effort: a program that does not read its input may close it first
  child.stdin?.on('error', () => undefined).end(options.input);
  if (child.pid === undefined) throw new Error(`could not start ${program}`);
  return { pid: child.pid, output, ended };
}

/** Runs a program to its end; killed after `timeoutMs`. */
export async function finish(argv: readonly string[], options: ProgramOptions & { readonly timeoutMs?: number } = {}): Promise<Finished> {
  const running = start(argv, options);
  const timer = setTimeout(() => signal(running.pid, 'SIGKILL'), options.timeoutMs ?? 60_000);
  return running.ended.finally(() => clearTimeout(timer));
}

/** The same for commands that must work: anything but exit status 0 is thrown with the output. */
export async function succeed(argv: readonly string[], options: ProgramOptions & { readonly timeoutMs?: number } = {}): Promise<string> {
  const { code, signal, output } = await finish(argv, options);
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code ?? signal}:\n${output}`);
  return output;
}

function collect(child: ChildProcess): () => string {
  const limit = 1024 ** 2;
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-limit);
    });
  }
  return () => text;
}
