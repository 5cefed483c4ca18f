import { isDeepStrictEqual } from 'node:util';
import type { HostConfig } from '../config/host-schema.ts';

/** What a running healer takes over. Everything else of the host was built into sockets, files and the proxy at the start. */
const takenOver: ReadonlySet<string> = new Set(['policies', 'safety', 'signatures', 'notifiers'] satisfies (keyof HostConfig)[]);
const mostNamed = 20;

/** The keys of goodgateway.yaml, such as `gateways.shop.listen`, that differ and take effect only with a restart; at most 20. */
export function keysThatNeedARestart(running: HostConfig, next: HostConfig): readonly string[] {
  return differing(running, next, '')
    .filter((key) => !takenOver.has(key.split('.')[0] ?? ''))
    .slice(0, mostNamed);
}

function differing(one: unknown, other: unknown, path: string): readonly string[] {
  if (!isTable(one) || !isTable(other)) return isDeepStrictEqual(one, other) ? [] : [path];
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return keys.flatMap((key) => differing(one[key], other[key], path === '' ? key : `${path}.${key}`));
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
