/**
 * What goes on around all services of this host, as far as `safety.pause_when` asks: looked at once for all services of
 * one moment, because in a storm many of them ask at once.
 */
import { join } from 'node:path';
import type { PauseReason } from '../../config/safety-schema.ts';
import { formatDuration, type Clock } from '../../core/time.ts';
import type { Now } from '../policy/limits.ts';
import type { Hindrance, Surroundings } from '../policy/surroundings.ts';
import { freshRelease } from './fresh-release.ts';
import { fullDisk } from './free-disk.ts';
import { packageLocks, packageManagers } from './package-manager.ts';
import { recentBoot } from './recent-boot.ts';
import { runningDeploy } from './running-deploy.ts';

export type HostFacts = Pick<Surroundings, 'changes' | 'unfit'>;

export interface HostLookOptions {
  /** What to look for, as it is configured now. */
  readonly pauseWhen: () => readonly PauseReason[];
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  /** The folder of our own sockets: the deploy lock is in it. */
  readonly runtime: string;
  /** Lock files of package managers. Default: those of dpkg, apt and rpm. */
  readonly packageLocks?: readonly string[];
}

/** The lock that `goodgateway deploy` holds while a deploy runs. */
export function deployLockIn(runtime: string): string {
  return join(runtime, 'deploy.lock');
}

/** So long one look counts for every service. */
const sameMomentMs = 1000;
/** All looks read the kernel's memory; only a disk that hangs takes longer. */
const deadlineMs = 1000;
const warnAgainMs = 600_000;

/** The look of one host. It never rejects: what cannot be found out hinders nobody, and a warning in the log says so. */
export function createHostLook(options: HostLookOptions): () => Promise<HostFacts> {
  const looks = new Map<PauseReason, Look>();
  let last: { readonly facts: Promise<HostFacts>; readonly atMs: number; readonly reasons: readonly PauseReason[] } | undefined;
  return () => {
    const { clock, pauseWhen } = options;
    const [atMs, reasons] = [clock.monotonicMs(), pauseWhen()];
    if (last && last.reasons === reasons && atMs - last.atMs < sameMomentMs) return last.facts;
    // configured anew: what is not asked for any more is forgotten
    for (const reason of looks.keys()) if (!reasons.includes(reason)) looks.delete(reason);
    for (const reason of reasons)
      if (!looks.has(reason))
        looks.set(
          reason,
          keepToTime(nameOf(reason), (now) => lookFor(reason, now, options), options),
        );
    const now = { wallMs: clock.wallMs(), monotonicMs: atMs };
    last = { facts: Promise.all([...looks.values()].map((look) => look(now))).then(merge), atMs, reasons };
    return last.facts;
  };
}

type Look = (now: Now) => Promise<Found>;

type Found = Partial<HostFacts>;

async function lookFor(reason: PauseReason, now: Now, options: HostLookOptions): Promise<Found> {
  if (reason === 'package_manager_running') return { changes: await packageManagers(options.packageLocks ?? packageLocks) };
  if (reason === 'deploy_running') return { changes: await runningDeploy(deployLockIn(options.runtime)) };
  // known from the service's own state
  if (reason === 'unit_job_pending') return {};
  if ('release_younger_than' in reason) return { changes: await freshRelease(reason.release_younger_than, now) };
  if ('booted_less_than' in reason) return { unfit: as('boot', await recentBoot(reason.booted_less_than, now)) };
  return { unfit: as('disk', await fullDisk(reason.disk_free_below)) };
}

function as<What extends 'boot' | 'disk'>(what: What, found: readonly Hindrance[]): readonly (Hindrance & { readonly what: What })[] {
  return found.map((one) => ({ ...one, what }));
}

function nameOf(reason: PauseReason): string {
  return typeof reason === 'string' ? reason : (Object.keys(reason)[0] ?? '');
}

/** One look with its deadline. A look that hangs is not begun again: four of them would stop all work on files. */
function keepToTime(name: string, look: (now: Now) => Promise<Found>, { clock, log }: HostLookOptions): Look {
  let running: Promise<Found> | undefined;
  let warnedMs = -Infinity;
  const warn = (problem: string): Found => {
    if (clock.monotonicMs() - warnedMs >= warnAgainMs) log.warn({ pause_when: name }, `${name} of safety.pause_when could not be found out (${problem}), so it holds up nothing now`);
    warnedMs = clock.monotonicMs();
    return {};
  };
  return async (now) => {
    running ??= look(now).finally(() => (running = undefined));
    const ended = new AbortController();
    const late = clock.sleep(deadlineMs, ended.signal).then(() => (ended.signal.aborted ? {} : warn(`no result within ${formatDuration(deadlineMs)}`)));
    const found = running.catch((error: unknown) => warn(error instanceof Error ? error.message : String(error)));
    return Promise.race([found, late]).finally(() => ended.abort());
  };
}

function merge(found: readonly Found[]): HostFacts {
  return { changes: found.flatMap(({ changes }) => changes ?? []), unfit: found.flatMap(({ unfit }) => unfit ?? []) };
}
