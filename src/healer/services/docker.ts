/**
 * A service that is a container, asked and controlled through its Engine's API. Of that API five things of this one
 * container are used: inspect, logs, start, stop, restart; and the list of its events. There is no `reload`: the signal
 * for it would need the endpoint `kill`, which a filter in front of the socket rightly refuses.
 */
import type { ServiceState, ServiceTarget, ServiceType } from '../leaves.ts';
import { familyOf, isAlive, isStopped, readAllStats, readStat, readText, type ProcessStat } from '../proc.ts';
import { configTestOf } from '../service-parts/config-tests.ts';
import { endByEvents, endByPolicy, parseEvents, type ContainerEnd } from '../service-parts/container-end.ts';
import { parseContainer, type Container } from '../service-parts/container-inspect.ts';
import { containerState } from '../service-parts/container-state.ts';
import { askEngine, containerPath, refusalText, type ContainerPlace, type EngineAnswer } from '../service-parts/engine.ts';
import { clearRestarting, isRestarting, markRestarting, seenRunning } from '../service-parts/restart-marker.ts';
import { step } from '../service-parts/step-result.ts';

/** An answer takes milliseconds; a hung Engine must not hang the healer. */
const lookTimeoutMs = 5000;
const eventsTimeoutMs = 2000;
const inspectBytes = 1024 ** 2;
const eventsBytes = 256 * 1024;
/** The Engine's own work beside the container's end: a shorter wait of ours would call a success a failure. */
const beyondStopMs = 30_000;
/** The events of an end come within milliseconds after it. */
const settleMs = 2000;
/** Somebody who replaces a container removes the old one first. */
const goneMs = 60_000;

interface Memory {
  /** When the container was there last, of performance.now(). */
  seenMs: number;
  /** How the run with this fence ended: the Engine forgets its events. */
  end?: { readonly run: string; readonly end: ContainerEnd };
}
/** One entry for each container of the configuration. */
const memories = new Map<string, Memory>();

export const docker: ServiceType = {
  name: 'docker',
  async state(target, _run, signal) {
    const place = placeOf(target);
    const answer = await inspect(place, signal);
    const container = answer.kind === 'answered' && answer.status === 200 ? parseContainer(answer.body) : undefined;
    return container ? stateOf(container, target, signal) : withoutContainer(place, answer);
  },
  can: (_target, verb) => verb !== 'reload',
  async control(target, verb, _run, signal) {
    const began = performance.now();
    if (verb === 'reload') return step('failed', `the container ${placeOf(target).container} cannot be reloaded through the Engine`, began);
    const unfinished = isRestarting(target);
    if (verb === 'restart' && !markRestarting(target)) return step('failed', `${target.stateFolder} cannot be written, so a half-done restart could not be recognized: not stopped`, began);
    const answer = await order(target, verb, signal);
    const done = outcome(answer, `${verb} container ${placeOf(target).container}`);
    if (done.result === 'done' || (done.result === 'failed' && !unfinished && (await isUntouched(answer, target, signal)))) clearRestarting(target);
    return step(done.result, done.detail, began);
  },
  configTest: configTestOf,
};

async function order(target: ServiceTarget, verb: 'start' | 'stop' | 'restart', signal: AbortSignal): Promise<EngineAnswer> {
  const place = placeOf(target);
  const stopMs = verb === 'start' ? target.config.stop_timeout : await stopTimeoutMs(target, signal);
  const query = verb === 'start' ? {} : { query: { t: String(Math.ceil(stopMs / 1000)) } };
  return askEngine(place.api, { method: 'POST', path: containerPath(place, verb), ...query, timeoutMs: stopMs + beyondStopMs, mostBytes: 4096 }, signal);
}

/** Never less than the container itself wants: a database's own five minutes are there for a reason. */
async function stopTimeoutMs(target: ServiceTarget, signal: AbortSignal): Promise<number> {
  const answer = await inspect(placeOf(target), signal);
  const own = answer.kind === 'answered' ? parseContainer(answer.body)?.stopTimeoutMs : undefined;
  return Math.max(target.config.stop_timeout, own ?? 0);
}

function outcome(answer: EngineAnswer, what: string): { readonly result: 'done' | 'failed' | 'unknown'; readonly detail: string } {
  if (answer.kind === 'not_sent') return { result: 'failed', detail: `${what}: ${answer.why}` };
  if (answer.kind === 'no_answer') return { result: 'unknown', detail: `${what}: ${answer.why}; it may go on` };
  if (answer.status === 304) return { result: 'done', detail: `${what}: nothing to do, it is so already` };
  if (answer.status >= 200 && answer.status < 300) return { result: 'done', detail: what };
  return { result: 'failed', detail: `${what}: ${refusalText(answer)}` };
}

/** Nothing was begun, or what was to be stopped runs on: so nothing was left half done. */
async function isUntouched(answer: EngineAnswer, target: ServiceTarget, signal: AbortSignal): Promise<boolean> {
  if (answer.kind === 'not_sent' || (answer.kind === 'answered' && answer.status < 500)) return true;
  const now = await inspect(placeOf(target), signal);
  return now.kind === 'answered' && parseContainer(now.body)?.status === 'running';
}

function inspect(place: ContainerPlace, signal: AbortSignal): Promise<EngineAnswer> {
  return askEngine(place.api, { method: 'GET', path: containerPath(place, 'json'), timeoutMs: lookTimeoutMs, mostBytes: inspectBytes }, signal);
}

async function stateOf(container: Container, target: ServiceTarget, signal: AbortSignal): Promise<ServiceState> {
  const memory = memoryOf(placeOf(target));
  memory.seenMs = performance.now();
  if (container.status === 'running') seenRunning(target, () => container.startedAtMs);
  const processes = container.pid > 0 ? processesOf(container) : [];
  const end = container.status === 'exited' ? await endOf(container, { place: placeOf(target), memory }, signal) : undefined;
  return containerState(container, {
    pids: processes.map(({ pid }) => pid),
    allStopped: processes.length > 0 && processes.every(isStopped),
    nowMs: Date.now(),
    restarting: isRestarting(target),
    ...(end === undefined ? {} : { end }),
  });
}

/** No such container, or nobody who could tell. A removal is somebody's work. */
function withoutContainer(place: ContainerPlace, answer: EngineAnswer): ServiceState {
  const nothing = { pids: [], fence: '' };
  if (answer.kind !== 'answered') return { state: 'unknown', text: answer.why, ...nothing };
  if (answer.status === 200) return { state: 'unknown', text: 'the Engine gave an answer that is no container', ...nothing };
  if (answer.status !== 404) return { state: 'unknown', text: refusalText(answer), ...nothing };
  const goneSinceMs = performance.now() - memoryOf(place).seenMs;
  const changing = goneSinceMs < goneMs ? { changing: `the container is gone since less than ${Math.ceil(goneSinceMs / 1000)} s, so somebody is replacing or removing it` } : {};
  return { state: 'stopped', text: `the Engine knows no container ${place.container}: it was removed, or never made`, ...nothing, ...changing };
}

/** `undefined`: it ended a moment ago, and its events are not there yet. */
async function endOf(container: Container, { place, memory }: { readonly place: ContainerPlace; readonly memory: Memory }, signal: AbortSignal): Promise<ContainerEnd | undefined> {
  const run = `${container.id}:${container.startedAt}:${container.finishedAtMs}`;
  if (memory.end?.run === run) return memory.end.end;
  const [since, until] = [(container.startedAtMs / 1000 - 1).toFixed(3), (Date.now() / 1000).toFixed(3)];
  const filters = JSON.stringify({ type: ['container'], container: [container.id] });
  const answer = await askEngine(place.api, { method: 'GET', path: '/events', query: { since, until, filters }, timeoutMs: eventsTimeoutMs, mostBytes: eventsBytes }, signal);
  const told = answer.kind === 'answered' && answer.status === 200;
  const end = told ? endByEvents(parseEvents(answer.body, container.id)) : undefined;
  if (end === undefined && told && Math.abs(Date.now() - container.finishedAtMs) < settleMs) return undefined;
  const known = end ?? endByPolicy(container);
  // Without an answer the events may still tell at the next look.
  if (answer.kind === 'answered') memory.end = { run, end: known };
  return known;
}

/** The container's processes, where its main one is really there: the Engine may run in another pid namespace, or on another machine. */
function processesOf({ id, pid }: Container): readonly ProcessStat[] {
  const main = readStat(pid);
  if (!isAlive(main) || !readText(`/proc/${pid}/cgroup`).includes(id)) return [];
  return familyOf(pid, readAllStats());
}

function memoryOf({ api, container }: ContainerPlace): Memory {
  const key = `${JSON.stringify(api)} ${container}`;
  const known = memories.get(key) ?? { seenMs: -Infinity };
  memories.set(key, known);
  return known;
}

function placeOf({ config }: ServiceTarget): ContainerPlace {
  if (config.type !== 'docker') throw new Error(`expected a service of type docker, got ${config.type}`);
  return config;
}
