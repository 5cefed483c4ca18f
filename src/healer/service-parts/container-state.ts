/** A container as the Engine shows it, read into a state. Pure. */
import type { ServiceState } from '../leaves.ts';
import type { ContainerEnd } from './container-end.ts';
import type { Container } from './container-inspect.ts';

/** What was found out beside: its processes on this host, and how it ended. */
export interface ContainerSurroundings {
  readonly pids: readonly number[];
  readonly allStopped: boolean;
  readonly nowMs: number;
  /** Of one that has exited; absent when that will be known in a moment. */
  readonly end?: ContainerEnd;
  /** goodgateway stopped it on the way to a start. */
  readonly restarting: boolean;
}

/** Whoever replaces a container makes a new one of the same name; for so long he may still be at work. */
const freshMs = 60_000;
/** The Engine waits 100 ms before the first restart and twice as long before each further one, up to a minute. */
const firstRestartMs = 100;
const longestRestartMs = 60_000;

/** The container's state. `text` quotes what decided it. */
export function containerState(container: Container, around: ContainerSurroundings): ServiceState {
  const { status, id, startedAt, pid } = container;
  const seen = `the Engine says ${status}${container.health ? `, ${container.health}` : ''}`;
  const fence = container.startedAtMs > 0 ? `${id}:${startedAt}` : id;
  const main = around.pids.includes(pid) ? { mainPid: pid } : {};
  const known = { pids: around.pids, fence, ...main, ...freshly(container, around.nowMs) };
  const state = (name: ServiceState['state'], why: string): ServiceState => ({ state: name, text: `${seen}: ${why}`, ...known });
  switch (status) {
    case 'running':
      return around.allStopped ? state('frozen', `all ${around.pids.length} processes of it are stopped (state T)`) : state('running', `it runs since ${startedAt}`);
    case 'paused':
      return { ...state('frozen', 'somebody has paused it'), changing: 'the container is paused' };
    case 'restarting':
      return { ...ended(container, state('failed', 'the Engine is about to restart it')), supervisorActsInMs: restartInMs(container, around.nowMs) };
    case 'removing':
      return { ...state('stopping', 'it is being removed'), changing: 'the container is being removed' };
    case 'created':
      return container.error === '' ? state('stopped', 'it was never started') : state('failed', `it could not be started: ${container.error}`);
    case 'exited':
      return afterEnd(container, around, state);
    case 'dead':
      return ended(container, state('failed', 'the Engine could not remove it and cannot start it: remove it and make it anew'));
    default:
      return state('unknown', 'this state is not known');
  }
}

function afterEnd(container: Container, { end, restarting }: ContainerSurroundings, state: (name: ServiceState['state'], why: string) => ServiceState): ServiceState {
  if (end === undefined) return ended(container, state('stopping', 'it has just ended; whether it was stopped is told in a moment'));
  if (end.how === 'by_itself') return ended(container, state('failed', `exit code ${container.exitCode}; ${end.why}`));
  if (restarting) return ended(container, state('failed', 'goodgateway stopped it for a restart that did not end in a start'));
  return { ...state('stopped', end.why), exitCode: container.exitCode };
}

/** Codes above 128 are a signal's, as shells count them. */
function ended({ exitCode, oomKilled }: Container, state: ServiceState): ServiceState {
  return { ...state, exitCode, ...(oomKilled ? { oomKilled: true, text: `${state.text}; a process in it was killed for want of memory` } : {}) };
}

function freshly({ createdAtMs }: Container, nowMs: number): Pick<ServiceState, 'changing'> {
  const ageMs = nowMs - createdAtMs;
  return createdAtMs > 0 && Math.abs(ageMs) < freshMs ? { changing: `the container was made ${Math.max(0, Math.round(ageMs / 1000))} s ago, so somebody is replacing it` } : {};
}

function restartInMs({ restarts, finishedAtMs }: Container, nowMs: number): number {
  const waitMs = Math.min(longestRestartMs, firstRestartMs * 2 ** Math.min(restarts, 16));
  return Math.max(0, Math.round(waitMs - Math.max(0, nowMs - finishedAtMs)));
}
