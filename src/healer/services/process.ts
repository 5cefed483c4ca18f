/**
 * A service that is a plain process: known by its pidfile, or started and remembered by goodgateway. Pids come from
 * there and from descent, never from a name.
 */
import { linkSync, renameSync, rmSync } from 'node:fs';
import type { StepResult } from '../../core/decision.ts';
import { send } from '../end-processes.ts';
import type { ServiceState, ServiceTarget, ServiceType } from '../leaves.ts';
import type { RunCommand } from '../commands.ts';
import { readStat, type ProcessStat } from '../proc.ts';
import { configTestOf } from '../service-parts/config-tests.ts';
import { awaitPidfile } from '../service-parts/await-pidfile.ts';
import { pidfileProcess, pidfileState } from '../service-parts/process-state.ts';
import { readPidfile } from '../service-parts/read-pidfile.ts';
import { rememberedProcess, rememberedState, rememberStopped, runOptions, startAndRemember, type RememberedService } from '../service-parts/remembered.ts';
import { clearRestarting, markRestarting } from '../service-parts/restart-marker.ts';
import { longestCommandMs, step, stepFromCommand } from '../service-parts/step-result.ts';
import { stopLeft, stopTree, type StopRequest } from '../service-parts/stop-tree.ts';

type ProcessTarget = ServiceTarget & RememberedService;
interface Context {
  readonly run: RunCommand;
  readonly signal: AbortSignal;
}

export const process: ServiceType = {
  name: 'process',
  async state(target) {
    return stateOf(processTarget(target));
  },
  can(target, verb) {
    return verb !== 'reload' || processTarget(target).config.reload !== undefined;
  },
  async control(target, verb, run, signal) {
    const own = processTarget(target);
    const context = { run, signal };
    if (verb === 'start') return start(own, context);
    if (verb === 'stop') return stopForGood(own, context);
    return verb === 'reload' ? reload(own, context) : restart(own, context);
  },
  configTest: configTestOf,
};

/**
 * Starts a service without pidfile before any healer looks after it, in the same way and with the same record, so that
 * the healer knows the process as its own. Done when it runs already.
 */
export async function startRemembered(target: ServiceTarget, run: RunCommand, signal: AbortSignal = new AbortController().signal): Promise<StepResult> {
  return startAndRemember(processTarget(target), run, signal);
}

async function start(target: ProcessTarget, { run, signal }: Context): Promise<StepResult> {
  const { config } = target;
  const { pidfile } = config;
  if (pidfile === undefined) return startAndRemember(target, run, signal);
  const living = await mainProcess(target);
  if (living) return step('done', `process ${living.pid} runs already`, performance.now());
  const old = setAsideZombie(target, pidfile);
  const result = await run.run(config.start, { timeoutMs: longestCommandMs, signal, ...runOptions(config) });
  const started = stepFromCommand('the start command', result);
  const running = started.result === 'done' ? await awaitPidfile(target, pidfile, { started, signal }) : started;
  if (running.result !== 'done') old.restore();
  else {
    old.forget();
    clearRestarting(target);
  }
  return running;
}

/**
 * Puts a pidfile aside that names a process which is there but is not the living service: Apache takes even a zombie
 * in it for a running server ("already running", status 0) and does not start. The mark keeps its absence from looking
 * like a stop on purpose; who was the dead master must stay known (its orphans are proven by it), so a start that
 * fails gets it back. The file itself is moved, never written anew: root's copy of a plain user's words would be
 * believed as root's.
 */
function setAsideZombie(target: ProcessTarget, pidfile: string): { readonly restore: () => void; readonly forget: () => void } {
  const named = readPidfile(pidfile);
  const aside = `${pidfile}.aside`;
  const nothing = { restore: () => undefined, forget: () => undefined };
  if (named.kind !== 'pid' || readStat(named.pid) === undefined || !markRestarting(target)) return nothing;
  if (!tried(() => renameSync(pidfile, aside))) return nothing;
  const forget = (): void => void tried(() => rmSync(aside, { force: true }));
  return {
    restore() {
      // `link` fails where a daemon has written a new pidfile meanwhile, and follows no link.
      tried(() => linkSync(aside, pidfile));
      forget();
    },
    forget,
  };
}

function tried(act: () => void): boolean {
  try {
    act();
    return true;
  } catch {
    // best effort: without it Apache refuses to start, which its own words then say
    return false;
  }
}

async function stop(target: ProcessTarget, context: Context): Promise<StepResult> {
  const main = await mainProcess(target);
  if (main) return stopTree(main, stopRequest(target.config), context);
  // Workers that outlived their master would keep the socket, and the next start would fail.
  return stopLeft((await stateOf(target)).pids, stopRequest(target.config), context);
}

async function stopForGood(target: ProcessTarget, context: Context): Promise<StepResult> {
  const stopped = await stop(target, context);
  if (stopped.result !== 'done') return stopped;
  const unnoted = target.config.pidfile === undefined ? rememberStopped(target) : undefined;
  if (unnoted !== undefined) return { ...stopped, result: 'failed', detail: `${stopped.detail}, but ${unnoted}` };
  // A KILLed daemon leaves its pidfile, which would read as a crash.
  if (target.config.pidfile !== undefined) rmSync(target.config.pidfile, { force: true });
  clearRestarting(target);
  return stopped;
}

async function restart(target: ProcessTarget, context: Context): Promise<StepResult> {
  if (!markRestarting(target)) return step('failed', `${target.stateFolder} cannot be written, so a half-done restart could not be recognized: not stopped`, performance.now());
  const stopped = await stop(target, context);
  if (stopped.result !== 'done') return stopped;
  const started = await start(target, context);
  if (started.result === 'done') clearRestarting(target);
  return { ...started, detail: `${stopped.detail}; ${started.detail}`, durationMs: stopped.durationMs + started.durationMs };
}

async function reload(target: ProcessTarget, { run, signal }: Context): Promise<StepResult> {
  const { reload: how } = target.config;
  const began = performance.now();
  if (how === undefined) return step('failed', 'its policy names no reload', began);
  if ('signal' in how) {
    const main = await mainProcess(target);
    const sent = main !== undefined && send(main, `SIG${how.signal}`);
    return step(sent ? 'done' : 'failed', sent ? `sent ${how.signal} to process ${main.pid}` : 'it is not running', began);
  }
  return stepFromCommand('the reload command', await run.run(how, { timeoutMs: longestCommandMs, signal, ...runOptions(target.config) }));
}

function stopRequest(config: ProcessTarget['config']): StopRequest {
  const { stop: how } = config;
  if ('signal' in how) return { signal: `SIG${how.signal}`, waitMs: how.timeout };
  return { waitMs: config.stop_timeout, command: async (run, signal, timeoutMs) => stepFromCommand('the stop command', await run.run(how, { timeoutMs, signal, ...runOptions(config) })) };
}

async function stateOf(target: ProcessTarget): Promise<ServiceState> {
  const { pidfile, stop: how } = target.config;
  if (pidfile === undefined) return rememberedState(target);
  // A daemon that is stopped by a signal removes its pidfile itself, before it ends; after a command somebody else may.
  return pidfileState(target, pidfile, 'signal' in how ? [] : [how]);
}

async function mainProcess(target: ProcessTarget): Promise<ProcessStat | undefined> {
  const { pidfile } = target.config;
  return pidfile === undefined ? rememberedProcess(target) : pidfileProcess(target, readPidfile(pidfile));
}

function processTarget(target: ServiceTarget): ProcessTarget {
  const { config } = target;
  if (config.type !== 'process') throw new Error(`expected a service of type process, got ${config.type}`);
  return { ...target, config };
}
