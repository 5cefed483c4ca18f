/** How programs are run: the interface alone. */

/** The result of one finished program. `output` is both streams as they came, the last 4 KiB unless more was asked for. */
export interface CommandResult {
  readonly argv: readonly string[];
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly timedOut: boolean;
  readonly durationMs: number;
  readonly output: string;
  /** Set when the program could not be started at all. */
  readonly startError?: string;
}

/** The one way in which the healer starts a program. argv[0] is absolute; the environment is clean. */
export interface RunCommand {
  /**
   * Runs to its end or to `timeoutMs`, when the whole process group is killed. Never rejects. `descriptor`: an open file
   * of ours that the program finds as its descriptor 3. `input`: what it finds on standard input; default: nothing.
   */
  run(
    argv: readonly string[],
    options: {
      readonly timeoutMs: number;
      readonly signal?: AbortSignal;
      readonly user?: string;
      readonly folder?: string;
      readonly environment?: Readonly<Record<string, string>>;
      readonly outputBytes?: number;
      readonly descriptor?: number;
      readonly input?: string;
    },
  ): Promise<CommandResult>;
  /** Starts a program that stays: own session, output appended to `output`. The pid, or why it could not be started. */
  startDetached(
    argv: readonly string[],
    options: { readonly output: string; readonly user?: string; readonly folder?: string; readonly environment?: Readonly<Record<string, string>> },
  ): Promise<{ readonly pid: number } | { readonly startError: string }>;
}
