import { readdirSync } from 'node:fs';
import type { Family } from './exposition.ts';

/** What a process says of itself. Times in seconds, of the wall clock. */
export interface ProcessFigures {
  readonly node: string;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly startedAtSeconds: number;
  /** `undefined` where it may not look. */
  readonly openFds: number | undefined;
}

/** Of this process, now. */
export function readProcessFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  return {
    node: process.versions.node,
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    startedAtSeconds: performance.timeOrigin / 1000,
    openFds: countDescriptors(),
  };
}

/** Under the names that every Prometheus client library uses. */
export function processFamilies({ cpuSeconds, residentBytes, startedAtSeconds, openFds }: ProcessFigures): readonly Family[] {
  return [
    { name: 'process_cpu_seconds_total', type: 'counter', help: 'Processor time of the proxy, user and system.', samples: [{ value: cpuSeconds }] },
    { name: 'process_resident_memory_bytes', type: 'gauge', help: 'Resident memory of the proxy.', samples: [{ value: residentBytes }] },
    { name: 'process_start_time_seconds', type: 'gauge', help: 'When the proxy was started, in seconds since 1970.', samples: [{ value: startedAtSeconds }] },
    { name: 'process_open_fds', type: 'gauge', help: 'Open file descriptors of the proxy.', samples: openFds === undefined ? [] : [{ value: openFds }] },
  ];
}

function countDescriptors(): number | undefined {
  try {
    // less the one that looks
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    // best effort: no /proc here, or no right to it
    return undefined;
  }
}
