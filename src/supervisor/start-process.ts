/**
 * Starts one of goodgateway's own processes for the supervisor, or the program of `goodgateway deploy`. They are its
 * children in every sense: they end when it ends, and they are not detached.
 */
import { execa } from 'execa';

export interface ProcessExit {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** Set when the program could not be started at all. */
  readonly startError: string | undefined;
}

export interface StartOptions {
  /** Called once, when the process has ended or could not be started. */
  readonly onExit: (exit: ProcessExit) => void;
  /** Added to the supervisor's own environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Numbers of another user and group; only root may. The system drops all supplementary groups with them. */
  readonly account?: { readonly uid: number; readonly gid: number };
  /** A file to which both streams are appended. Default: the supervisor's own output. */
  readonly output?: string;
  /** It also gets our standard input. Default: none. */
  readonly interactive?: boolean;
}

export interface StartedProcess {
  /** `undefined` when it could not be started; onExit says why. */
  readonly pid: number | undefined;
  /** Sends a signal; false when it has ended already. */
  kill(signal: NodeJS.Signals): boolean;
}

/** Starts argv without a shell. Never throws. */
export function startProcess(argv: readonly [string, ...string[]], options: StartOptions): StartedProcess {
  const [program, ...rest] = argv;
  const output = options.output === undefined ? 'inherit' : { file: options.output, append: true };
  const child = execa(program, rest, {
    ...options.account,
    stdin: options.interactive ? 'inherit' : 'ignore',
    stdout: output,
    stderr: output,
    env: { ...options.environment },
    // how long a polite end may take is the caller's to say; execa would kill it 5 s after a TERM
    forceKillAfterDelay: false,
    buffer: false,
    reject: false,
  });
  void child.then((result) =>
    options.onExit({ exitCode: result.exitCode, signal: result.signal, startError: child.pid === undefined ? (result.code ?? result.shortMessage ?? 'unknown error') : undefined }),
  );
  return { pid: child.pid, kill: (signal) => child.kill(signal) };
}
