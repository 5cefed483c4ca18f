import type { Ward } from './healer.ts';

/** The ids of requests that failed since they were last asked for. */
export function takeRequestIds(ward: Ward): { requests?: string[] } {
  const requests = ward.requestIds.splice(0);
  return requests.length > 0 ? { requests } : {};
}
