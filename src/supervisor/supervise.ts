/**
 * Keeps goodgateway's own processes running for `run` and `demo`: what ends is started again at once, and if it ends
 * again and again, with growing pauses. It knows nothing of configuration or healing. Under systemd it is not used.
 */
import { startProcess, type ProcessExit, type StartedProcess } from './start-process.ts';

export interface SupervisedProcess {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  /** File that receives its output; without it the supervisor's own. */
  readonly log?: string;
  /** Numbers of the user and group that it runs as. Default: the supervisor's own. */
  readonly account?: { readonly uid: number; readonly gid: number };
  /** Added to the supervisor's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface SupervisorLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface Supervisor {
  /** The pid of a process that runs now. */
  pid(name: string): number | undefined;
  /** Sends a signal to a process that runs now; false when it does not. */
  signal(name: string, signal: NodeJS.Signals): boolean;
  /** Ends all, the last started first, and waits for their end; what does not end within `graceMs` is killed. */
  stop(graceMs: number): Promise<void>;
}

const firstPauseMs = 50;
const longestPauseMs = 5000;
/** A process that lived so long was well: the next restart is immediate again. */
const wellAfterMs = 10_000;
/** A process that ends with this status was called wrongly; starting it again cannot help. */
const calledWrongly = 2;

/** Starts all and keeps them running until `stop`. `onHopeless`: one of them cannot run at all. */
export function supervise(processes: readonly SupervisedProcess[], log: SupervisorLog, onHopeless: (name: string) => void): Supervisor {
  const wards = processes.map((process) => keepRunning(process, log, onHopeless));
  return {
    pid: (name) => wards.find((ward) => ward.name === name)?.pid(),
    signal: (name, signal) => wards.find((ward) => ward.name === name)?.signal(signal) ?? false,
    stop: async (graceMs) => {
      for (const ward of [...wards].reverse()) await ward.stop(graceMs);
    },
  };
}

interface Ward {
  readonly name: string;
  pid(): number | undefined;
  signal(signal: NodeJS.Signals): boolean;
  stop(graceMs: number): Promise<void>;
}

function keepRunning({ name, argv, log: output, environment, account }: SupervisedProcess, log: SupervisorLog, onHopeless: (name: string) => void): Ward {
  let pauseMs = firstPauseMs;
  let started: StartedProcess | undefined;
  let stopping: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let starts = 0;

  function start(): void {
    const startedMs = performance.now();
    starts += 1;
    started = startProcess(argv, {
      ...(output ? { output } : {}),
      ...(environment ? { environment } : {}),
      ...(account ? { account } : {}),
      onExit: (exit) => ended(exit, performance.now() - startedMs),
    });
    log.info({ child: name, pid: started.pid }, 'started');
  }

  function ended(exit: ProcessExit, livedMs: number): void {
    started = undefined;
    if (stopping) return stopping();
    log.warn({ child: name, ...exit, lived_ms: Math.round(livedMs) }, 'ended; it is started again');
    // a configuration that became wrong while it ran stops nothing else: it is tried again until somebody mends it
    if (starts === 1 && (exit.exitCode === calledWrongly || exit.startError)) return onHopeless(name);
    pauseMs = livedMs >= wellAfterMs ? firstPauseMs : Math.min(longestPauseMs, pauseMs * 2);
    timer = setTimeout(start, livedMs >= wellAfterMs ? 0 : pauseMs);
  }

  start();
  return {
    name,
    pid: () => started?.pid,
    signal: (signal) => started?.kill(signal) ?? false,
    stop: (graceMs) =>
      new Promise((resolve) => {
        clearTimeout(timer);
        const running = started;
        if (!running) return resolve();
        const kill = setTimeout(() => running.kill('SIGKILL'), graceMs);
        stopping = () => {
          clearTimeout(kill);
          resolve();
        };
        running.kill('SIGTERM');
      }),
  };
}
