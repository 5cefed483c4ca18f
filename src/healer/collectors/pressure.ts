import { readFileSync } from 'node:fs';
import type { Collector } from '../leaves.ts';

const files = ['/proc/loadavg', '/proc/pressure/cpu', '/proc/pressure/memory', '/proc/pressure/io', '/proc/meminfo'];

/** Load, memory, and how long processes waited for processor, memory and disks. @see https://docs.kernel.org/accounting/psi.html */
export const pressure: Collector = {
  name: 'pressure',
  applies: () => true,
  collect: async () => files.map((file) => `==> ${file}\n${read(file)}`).join('\n'),
};

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(0, 10).join('\n');
  } catch {
    return 'this kernel has none';
  }
}
