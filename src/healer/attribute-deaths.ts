/**
 * Whose fault was it that workers died? Answered only where there is one answer: all requests that were cut off at that
 * moment were the same one, at least as many workers as requests ended, each by a fault of its own, under a master that
 * lives. Everything else is bad luck that somebody innocent would be punished for. Pure.
 */
import type { WorkerDeath } from './probes/read-deaths.ts';

/** Requests that were cut off at about the same time, and the workers that ended then. */
export interface Moment {
  readonly fingerprints: ReadonlySet<string>;
  readonly requests: number;
  /** More may have been cut off than the proxy told. */
  readonly untold: boolean;
  readonly deaths: readonly WorkerDeath[];
  /** The service ran before and after, as the same run. */
  readonly sameRun: boolean;
}

/** `nobody`: no worker died by a fault. `unclear`: workers did, and `why` no single request can be blamed for it. */
export type Attribution =
  | { readonly kind: 'nobody'; readonly why: string }
  | { readonly kind: 'unclear'; readonly why: string; readonly deaths: readonly WorkerDeath[] }
  | { readonly kind: 'blamed'; readonly fingerprint: string; readonly deaths: readonly WorkerDeath[] };

/** Each of the blamed deaths is one strike against that request. */
export function attribute({ fingerprints, requests, untold, deaths, sameRun }: Moment): Attribution {
  const faults = deaths.filter(({ byFault }) => byFault);
  if (faults.length === 0) return { kind: 'nobody', why: 'no worker ended by a fault of its own' };
  if (!sameRun) return { kind: 'nobody', why: 'the service itself ended, or was started anew' };
  // what is more than there were requests belongs to another moment
  const own = deaths.slice(0, requests).filter(({ byFault }) => byFault);
  const unclear = (why: string): Attribution => ({ kind: 'unclear', why, deaths: own });
  const other = deaths.find(({ byFault }) => !byFault);
  if (other) return unclear(`another worker ended ${other.how} at the same moment`);
  if (untold) return unclear('more requests were cut off than could be told');
  const [fingerprint, ...others] = fingerprints;
  if (fingerprint === undefined || others.length > 0) return unclear('different requests were cut off at the same moment');
  if (faults.length < requests) return unclear(`${requests} requests were cut off and fewer workers ended, so the request was not alone in its worker`);
  return { kind: 'blamed', fingerprint, deaths: own };
}
