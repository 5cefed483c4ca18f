/**
 * Commands that goodgateway starts itself and remembers: services without a pidfile. The record is replaced as a whole,
 * so that a crash leaves the old one or the new one.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ServiceConfig } from '../../config/policy-schema.ts';
import type { StepResult } from '../../core/decision.ts';
import { endProcesses } from '../end-processes.ts';
import type { ServiceState } from '../leaves.ts';
import type { RunCommand } from '../commands.ts';
import { isAlive, readStat, type ProcessStat } from '../proc.ts';
import { deadState, livingState } from './process-state.ts';
import { step } from './step-result.ts';

/** What is needed to start and remember a command: part of a ServiceTarget. */
export interface RememberedService {
  readonly name: string;
  readonly stateFolder: string;
  readonly config: Extract<ServiceConfig, { readonly type: 'process' }>;
}

const recordSchema = z.strictObject({
  pid: z.int().min(2),
  /** Start time after boot in 1/100 s: a reused pid has another. */
  startTime: z.int().min(0),
  startedAtMs: z.int(),
  /** goodgateway stopped it for good. */
  stopped: z.boolean().optional(),
});
type ProcessRecord = z.output<typeof recordSchema>;

/** A command that dies at once (a missing file, a taken port) mostly does so within this; verification sees the rest. */
const earlyDeathMs = 100;

/**
 * Starts the service's command in its own session and remembers it; when it runs already, says so. Fails when the
 * command cannot be started, ends within 100 ms, or cannot be remembered (then it is not left running unknown).
 */
export async function startAndRemember(service: RememberedService, run: RunCommand, signal: AbortSignal): Promise<StepResult> {
  const started = performance.now();
  const { config } = service;
  const living = rememberedProcess(service);
  if (living) return step('done', `process ${living.pid} runs already`, started);
  const { unreadable } = readRecord(service);
  if (unreadable !== undefined) return step('failed', `not started, because it may run: ${unreadable}`, started);
  if (signal.aborted) return step('failed', 'not started: its time was over', started);
  const output = config.output ?? join(service.stateFolder, `${service.name}.out`);
  const result = await run.startDetached(config.start, { output, ...runOptions(config) });
  if ('startError' in result) return { ...step('failed', result.startError, started), argv: config.start };
  const stat = readStat(result.pid);
  const unwritten = stat && tryWriteRecord(service, { pid: stat.pid, startTime: stat.startTicks, startedAtMs: Date.now() });
  if (unwritten !== undefined) return { ...(await endUnknown(stat, unwritten, started)), argv: config.start };
  await sleep(earlyDeathMs, undefined, { signal }).catch(() => undefined);
  const lives = isAlive(readStat(result.pid));
  return { ...step(lives ? 'done' : 'failed', lives ? `started as process ${result.pid}` : `ended right after its start; its output is in ${output}`, started), argv: config.start };
}

/** Left running it would hold the port against every later start, and nobody would know whose it is. */
async function endUnknown(stat: ProcessStat | undefined, why: string, startedAt: number): Promise<StepResult> {
  const { remaining } = await endProcesses({ processes: stat ? [stat] : [], signal: new AbortController().signal });
  return step('failed', `${why}, so it could not be remembered: ${remaining.length > 0 ? `process ${remaining.join(', ')} could not be ended` : 'ended it again'}`, startedAt);
}

/** The living process that goodgateway started, or none. */
export function rememberedProcess(service: RememberedService): ProcessStat | undefined {
  const { record } = readRecord(service);
  const stat = record && readStat(record.pid);
  return isAlive(stat) && stat.startTicks === record?.startTime ? stat : undefined;
}

/** Never started counts as failed: goodgateway is the only one who starts this command, and its policy wants it to run. */
export function rememberedState(service: RememberedService): ServiceState {
  const { record, unreadable } = readRecord(service);
  if (unreadable !== undefined) return { state: 'unknown', text: unreadable, pids: [], fence: '' };
  if (!record) return { state: 'failed', text: 'goodgateway has not started it yet', pids: [], fence: '' };
  const living = rememberedProcess(service);
  const source = `goodgateway started process ${record.pid}`;
  if (living) return livingState(living, source);
  if (record.stopped) return { state: 'stopped', text: `${source} and stopped it on purpose`, pids: [], fence: '' };
  return deadState(record.pid, source);
}

/** From now on its absence is wanted. Undefined, or why that could not be noted: it would read as a crash. */
export function rememberStopped(service: RememberedService): string | undefined {
  const { record } = readRecord(service);
  return record && tryWriteRecord(service, { ...record, stopped: true });
}

/** Who runs the commands of a process service, where and with what. */
export function runOptions(config: RememberedService['config']): { readonly user?: string; readonly folder?: string; readonly environment?: Readonly<Record<string, string>> } {
  return {
    ...(config.user === undefined ? {} : { user: config.user }),
    ...(config.folder === undefined ? {} : { folder: config.folder }),
    ...(config.environment === undefined ? {} : { environment: config.environment }),
  };
}

/** Neither: it was never started. */
interface ReadRecord {
  readonly record?: ProcessRecord;
  /** There is one, and what it says cannot be known. */
  readonly unreadable?: string;
}

function readRecord(service: RememberedService): ReadRecord {
  const path = recordPath(service);
  try {
    const { data } = recordSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    return data ? { record: data } : { unreadable: `${path} is not a record of a process: remove it when the service does not run` };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    return { unreadable: `${path} cannot be read (${messageOf(error)}): remove it when the service does not run` };
  }
}

/** Undefined when it is written, else why not. */
function tryWriteRecord(service: RememberedService, record: ProcessRecord): string | undefined {
  const path = recordPath(service);
  try {
    mkdirSync(service.stateFolder, { recursive: true });
    writeFileSync(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return undefined;
  } catch (error) {
    return `${path} cannot be written (${messageOf(error)})`;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function recordPath(service: RememberedService): string {
  return join(service.stateFolder, `${service.name}.process.json`);
}
