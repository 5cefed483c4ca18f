import { isDeepStrictEqual } from 'node:util';
import type { HostConfig } from './host-schema.ts';
import type { Path } from './problem.ts';

/** What running processes take over. Everything else of the host was built into sockets, files and processes at the start. */
const takenOver: ReadonlySet<string> = new Set(['gateways', 'policies', 'safety', 'signatures', 'notifiers'] satisfies (keyof HostConfig)[]);
const mostNamed = 20;

/** The keys of goodgateway.yaml, such as `audit.folder`, that differ and take effect only with a restart; at most 20. */
export function keysThatNeedARestart(running: HostConfig, next: HostConfig): readonly Path[] {
  return differing(running, next, [])
    .filter(([first]) => !takenOver.has(String(first)))
    .slice(0, mostNamed);
}

function differing(one: unknown, other: unknown, path: readonly string[]): readonly (readonly string[])[] {
  if (!isTable(one) || !isTable(other)) return isDeepStrictEqual(one, other) ? [] : [path];
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return keys.flatMap((key) => differing(one[key], other[key], [...path, key]));
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
