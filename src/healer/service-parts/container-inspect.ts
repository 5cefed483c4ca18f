/** What the Engine says of a container (`GET /containers/NAME/json`): the part of it that is read, checked once. */
import { z } from 'zod';

const inspectSchema = z.object({
  Id: z.string().regex(/^[0-9a-f]{12,128}$/),
  Created: z.string().default(''),
  RestartCount: z.number().default(0),
  State: z.object({
    Status: z.string(),
    Paused: z.boolean().default(false),
    OOMKilled: z.boolean().default(false),
    Pid: z.number().default(0),
    ExitCode: z.number().default(0),
    Error: z.string().default(''),
    StartedAt: z.string().default(''),
    FinishedAt: z.string().default(''),
    Health: z.object({ Status: z.string(), FailingStreak: z.number().default(0) }).nullish(),
  }),
  HostConfig: z.object({ RestartPolicy: z.object({ Name: z.string().default(''), MaximumRetryCount: z.number().default(0) }).nullish() }).nullish(),
  Config: z.object({ StopTimeout: z.number().nullish() }).nullish(),
});

/** One container at one moment. Times are wall time; 0 where the Engine has none. */
export interface Container {
  readonly id: string;
  /** created, running, paused, restarting, removing, exited, dead; newer Engines may know more. */
  readonly status: string;
  readonly createdAtMs: number;
  /** As the Engine wrote it, to the nanosecond: part of the fence. */
  readonly startedAt: string;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly pid: number;
  readonly exitCode: number;
  /** A process in it was killed for want of memory since it was started. */
  readonly oomKilled: boolean;
  /** Why the Engine could not start it. */
  readonly error: string;
  readonly health: string | undefined;
  readonly restartPolicy: string;
  /** 0: without end. */
  readonly mostRestarts: number;
  readonly restarts: number;
  /** How long the container itself wants to be given for its end. */
  readonly stopTimeoutMs: number | undefined;
}

/** Reads an answer of the Engine; `undefined` when it is none. */
export function parseContainer(body: Buffer): Container | undefined {
  const { data } = inspectSchema.safeParse(parseJson(body.toString('utf8')));
  if (!data) return undefined;
  const { State: state, HostConfig: host, Config: config } = data;
  return {
    id: data.Id,
    status: state.Paused ? 'paused' : state.Status,
    createdAtMs: timeOf(data.Created),
    startedAt: state.StartedAt,
    startedAtMs: timeOf(state.StartedAt),
    finishedAtMs: timeOf(state.FinishedAt),
    pid: state.Pid,
    exitCode: state.ExitCode,
    oomKilled: state.OOMKilled,
    error: state.Error.slice(0, 300),
    health: state.Health?.Status === 'unhealthy' ? `unhealthy (${state.Health.FailingStreak} checks in a row)` : state.Health?.Status,
    restartPolicy: host?.RestartPolicy?.Name || 'no',
    mostRestarts: host?.RestartPolicy?.MaximumRetryCount ?? 0,
    restarts: data.RestartCount,
    stopTimeoutMs: config?.StopTimeout == null || config.StopTimeout < 0 ? undefined : config.StopTimeout * 1000,
  };
}

/** JSON from outside; `undefined` when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A container that never ran has the year 1. */
function timeOf(text: string): number {
  return Math.max(0, Date.parse(text) || 0);
}
