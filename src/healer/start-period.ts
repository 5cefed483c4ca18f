/**
 * The time after a start in which failures do not count, because the service may still be warming up
 * (`service.start_period`). Whoever started it: what counts is the run that is there.
 */
import type { Healer, Ward } from './healer.ts';
import type { ServiceState } from './leaves.ts';
import { readStat, startedAtMs } from './proc.ts';

/** A look so old may have missed a start. */
const freshMs = 250;
const oneLookMs = 2000;

/** Keeps which run of the service this is, and since when: its main process knows, else the look that saw it first. */
export function noteRun(ward: Ward, { state, fence, mainPid }: ServiceState, { clock }: Healer): void {
  // what is dead does not warm up
  if (state === 'failed' || state === 'stopped') return void (ward.lastRun = undefined);
  if (fence === '' || fence === ward.lastRun?.fence) return;
  const stat = mainPid === undefined ? undefined : readStat(mainPid);
  const ageMs = stat ? Math.max(0, clock.wallMs() - startedAtMs(stat)) : ward.lastLook === undefined ? Infinity : 0;
  ward.lastRun = { fence, startedMs: clock.monotonicMs() - ageMs };
}

/**
 * Whether failures of the service do not count now. Without a `start_period` never, at no cost; with one, the service is
 * looked at when the watch has not just done so, because its first failures come before the next look. Never rejects.
 */
export async function isWarmingUp(ward: Ward, healer: Healer): Promise<boolean> {
  const { start_period: periodMs } = ward.policy.service;
  if (periodMs === 0) return false;
  if (healer.clock.monotonicMs() - (ward.lastLook?.atMs ?? -Infinity) >= freshMs) await lookNow(ward, healer);
  return ward.lastRun !== undefined && healer.clock.monotonicMs() - ward.lastRun.startedMs < periodMs;
}

/** One look for all failures of a moment: a flood of them is no flood of looks. */
const looks = new WeakMap<Ward, { readonly done: Promise<void>; readonly atMs: number }>();

function lookNow(ward: Ward, healer: Healer): Promise<void> {
  const last = looks.get(ward);
  const atMs = healer.clock.monotonicMs();
  if (last && atMs - last.atMs < freshMs) return last.done;
  const done = lookOnce(ward, healer);
  looks.set(ward, { done, atMs });
  return done;
}

async function lookOnce(ward: Ward, healer: Healer): Promise<void> {
  const state = await ward.serviceType.state(ward.target(), healer.run, AbortSignal.any([healer.stopping, AbortSignal.timeout(oneLookMs)]));
  noteRun(ward, state, healer);
}
