/** A service with an init script (`start|stop|reload|restart`) and a pidfile. The script is trusted to act, not to tell. */
import { rmSync } from 'node:fs';
import type { StepResult } from '../../core/decision.ts';
import type { ServiceState, ServiceTarget, ServiceType } from '../leaves.ts';
import type { RunCommand } from '../commands.ts';
import { isStopped } from '../proc.ts';
import { awaitPidfile } from '../service-parts/await-pidfile.ts';
import { configTestOf } from '../service-parts/config-tests.ts';
import { pidfileProcess, pidfileState } from '../service-parts/process-state.ts';
import { readPidfile } from '../service-parts/read-pidfile.ts';
import { clearRestarting, markRestarting } from '../service-parts/restart-marker.ts';
import { longestCommandMs, step, stepFromCommand } from '../service-parts/step-result.ts';
import { stopLeft, stopTree } from '../service-parts/stop-tree.ts';

interface Script {
  readonly target: ServiceTarget;
  readonly pidfile: string;
  call(verb: string, timeoutMs?: number): Promise<StepResult>;
  readonly run: RunCommand;
  readonly signal: AbortSignal;
}

export const init: ServiceType = {
  name: 'init',
  state: async (target) => stateOf(target),
  can: () => true,
  async control(target, verb, run, signal) {
    const { script: path, pidfile } = initConfig(target);
    const call = async (word: string, timeoutMs = longestCommandMs): Promise<StepResult> => stepFromCommand(`${path} ${word}`, await run.run([path, word], { timeoutMs, signal }));
    const script = { target, pidfile, call, run, signal };
    if (verb === 'start') return start(script);
    if (verb === 'stop') return stopForGood(script);
    return verb === 'reload' ? call('reload') : restart(script);
  },
  configTest: configTestOf,
};

async function stateOf(target: ServiceTarget): Promise<ServiceState> {
  const { script, pidfile } = initConfig(target);
  return pidfileState(target, pidfile, [
    [script, 'stop'],
    [script, 'restart'],
    [script, 'force-reload'],
  ]);
}

async function start(script: Script): Promise<StepResult> {
  const started = await script.call('start');
  const result = started.result === 'done' ? await awaitPidfile(script.target, script.pidfile, { started, signal: script.signal }) : started;
  if (result.result === 'done') clearRestarting(script.target);
  return result;
}

/** After a KILL, or from a script that does not tidy up, the pidfile stays and would read as a crash; so would a restart that was never ended. */
async function stopForGood(script: Script): Promise<StepResult> {
  const stopped = await stop(script);
  if (stopped.result !== 'done') return stopped;
  try {
    rmSync(script.pidfile, { force: true });
  } catch (error) {
    return { ...stopped, result: 'failed', detail: `${stopped.detail}, but ${script.pidfile} cannot be removed (${String(error)}), so it looks like a crash` };
  }
  clearRestarting(script.target);
  return stopped;
}

/**
 * `script stop`, and KILL for what it leaves. A frozen service is KILLed before the script is called, which would
 * otherwise wait out its own retries (40 s for Debian's php-fpm) and then only tidies up.
 */
async function stop(script: Script): Promise<StepResult> {
  const { target, run, signal } = script;
  const main = await pidfileProcess(target, readPidfile(script.pidfile));
  if (!main) return stopDead(script);
  const frozen = isStopped(main);
  const stopped = await stopTree(main, { waitMs: target.config.stop_timeout, command: (_run, _signal, waitMs) => script.call('stop', waitMs) }, { run, signal });
  if (frozen && stopped.result === 'done') await script.call('stop', target.config.stop_timeout);
  return stopped;
}

/** Nothing for the script to end; it tidies up. Workers that outlived their master would keep the socket. */
async function stopDead({ target, call, run, signal }: Script): Promise<StepResult> {
  const { pids } = await stateOf(target);
  const called = await call('stop', target.config.stop_timeout);
  const left = await stopLeft(pids, { signal: 'SIGQUIT', waitMs: target.config.stop_timeout }, { run, signal });
  return { ...called, result: left.result === 'done' ? called.result : left.result, detail: `${called.detail}; ${left.detail}`, durationMs: called.durationMs + left.durationMs };
}

/** Stop and start as two calls: `script restart` would hide which of them failed, and cannot end a frozen service in time. */
async function restart(script: Script): Promise<StepResult> {
  if (!markRestarting(script.target)) return step('failed', `${script.target.stateFolder} cannot be written, so a half-done restart could not be recognized: not stopped`, performance.now());
  const stopped = await stop(script);
  if (stopped.result !== 'done') return stopped;
  const started = await start(script);
  return { ...started, detail: `${stopped.detail}; ${started.detail}`, durationMs: stopped.durationMs + started.durationMs };
}

function initConfig(target: ServiceTarget): Extract<ServiceTarget['config'], { readonly type: 'init' }> {
  if (target.config.type !== 'init') throw new Error(`expected a service of type init, got ${target.config.type}`);
  return target.config;
}
