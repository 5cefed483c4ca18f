/**
 * `goodgateway deploy`: runs a program and holds the deploy lock meanwhile, so that the healer leaves every service
 * alone (`safety.pause_when: deploy_running`). It needs no healer: the lock is a file. It ends with this process, so
 * after a `kill -9` of it the program goes on without the lock; what the program leaves running does not keep it.
 */
import { constants, userInfo } from 'node:os';
import { Command } from 'commander';
import { systemClock } from '../core/time.ts';
import { describeHolder, takeLock, type LockResult, type TakenLock } from '../healer/lock-file.ts';
import { runCommand } from '../healer/run-command.ts';
import { deployLockIn } from '../healer/surroundings/host-look.ts';
import { startProcess, type ProcessExit } from '../supervisor/start-process.ts';
import { hostOrExplain } from './host-or-explain.ts';
import { plain } from './terminal.ts';

/** As sysexits(3) calls it: try again later. A status of the program itself is hardly ever this one. */
const lockedByAnother = 75;
const waitStepMs = 500;

/** Exit status: the program's; 128 + n when signal n ended it; 126, 127: it cannot be started; 75: another deploy runs. */
export function deployCommand(): Command {
  return new Command('deploy')
    .description('run a deploy; every service is left alone while it runs')
    .argument('<command...>', 'the program and its arguments, after --')
    .option('--config <file>', 'goodgateway.yaml')
    .option('--reason <text>', 'for the record, such as "release 4711"')
    .option('--wait', 'wait for another deploy to end, instead of refusing')
    .addHelpText(
      'after',
      '\nExample:\n  goodgateway deploy --reason "release 4711" -- ./deploy.sh --fast\n\nExit status: that of the program; 128 + n when signal n ended it; 75 when another deploy runs.',
    )
    .action(async ([program = '', ...args]: readonly string[], options: { config?: string; reason?: string; wait?: boolean }) => {
      const found = await hostOrExplain(options.config);
      if (!found) return;
      const lock = await lockOrExplain(deployLockIn(found.host.runtime), options);
      if (!lock) return;
      process.exitCode = await runHere([program, ...args]);
      lock.release();
    });
}

/** The lock; or a sentence on standard error, the exit status, and `undefined`. */
async function lockOrExplain(path: string, { reason, wait }: { readonly reason?: string; readonly wait?: boolean }): Promise<TakenLock | undefined> {
  const words = { by: loginName(), ...(reason === undefined ? {} : { reason: plain(reason) }) };
  let said = false;
  for (;;) {
    const result = await takeLock(path, words, runCommand);
    if (result.kind === 'taken') return result;
    if (result.kind === 'unusable' || !wait) return refuse(result);
    if (!said) process.stderr.write(`goodgateway: waiting for another deploy to end: ${plain(describeHolder(result.note))}\n`);
    said = true;
    await systemClock.sleep(waitStepMs);
  }
}

function refuse(result: Exclude<LockResult, TakenLock>): undefined {
  process.exitCode = result.kind === 'held' ? lockedByAnother : 1;
  const why =
    result.kind === 'held'
      ? `another deploy is running: ${plain(describeHolder(result.note))}. Wait for its end, or use --wait`
      : `not deployed, because the healer could not be kept away: ${result.problem}`;
  process.stderr.write(`goodgateway: ${why}\n`);
  return undefined;
}

/** Who asked, as claimed: `sudo` tells whom root stands for. */
function loginName(): string {
  const { SUDO_USER: sudoer } = process.env;
  try {
    return sudoer ? `${sudoer} (sudo)` : userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}

/** A terminal sends INT and QUIT to the whole foreground group, so the program has them already. */
const passedOn = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGQUIT'] as const;
const fromTerminal: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

/** Runs it in the foreground, with our input, output and environment; its exit status as a shell says it. */
async function runHere(argv: readonly [string, ...string[]]): Promise<number> {
  const exit = await new Promise<ProcessExit>((resolve) => {
    // before it is started: a signal that comes at once would end us and the lock, and leave the program at work
    for (const signal of passedOn)
      process.on(signal, () => {
        if (!(fromTerminal.has(signal) && process.stdin.isTTY)) started.kill(signal);
      });
    const started = startProcess(argv, { interactive: true, onExit: resolve });
  });
  if (exit.startError !== undefined) {
    process.stderr.write(`goodgateway: ${plain(argv[0])} could not be started: ${exit.startError}\n`);
    return exit.startError === 'ENOENT' ? 127 : 126;
  }
  if (exit.exitCode !== undefined) return exit.exitCode;
  return 128 + (Object.entries(constants.signals).find(([name]) => name === exit.signal)?.[1] ?? 0);
}
