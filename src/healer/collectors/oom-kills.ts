import { readFileSync } from 'node:fs';
import type { Collector } from '../leaves.ts';
import { readCommand } from './read-command.ts';

/** How often the kernel ended something for want of memory (since boot), and its last words about it where they can be read. */
export const oomKills: Collector = {
  name: 'oom_kills',
  applies: () => true,
  async collect(context, signal) {
    const count = /^oom_kill \d+$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[0] ?? 'oom_kill: this kernel does not count them';
    const said = await readCommand(['/usr/bin/dmesg', '--level', 'emerg,alert,crit,err,warn'], context, signal).catch((error: unknown) => String(error));
    const lines = said.split('\n').filter((line) => /oom|out of memory|segfault/i.test(line));
    return [count, ...lines.slice(-100)].join('\n');
  },
};
