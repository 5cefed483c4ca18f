/** The kernel ends what needs more memory than its control group has. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scenes } from '../fault.ts';
import { cgroup, limitMemory } from '../cgroup.ts';
import { nodeStack } from '../stacks/node.ts';
import { phpStack } from '../stacks/php.ts';

const mebibyte = 1024 ** 2;
const eatsMemory =
  '<?php ini_set("memory_limit", -1); if (!file_exists(__DIR__ . "/../data/hungry")) die("modest"); $a = []; for ($i = 0; $i < 400; $i++) $a[] = str_repeat(chr($i % 250), 1048576); echo "fat";';

export const outOfMemory: Scenes = {
  async 'node-out-of-memory'(t) {
    const group = cgroup(t, 'memory');
    limitMemory(group, 200 * mebibyte);
    const { at, behave } = await nodeStack(t, { before: [group.enter] });
    return { at, inject: () => behave('eats-memory-once') };
  },
  async 'php-worker-out-of-memory'(t) {
    const group = cgroup(t, 'memory');
    const { at, fpm } = await phpStack(t, { fpm: { scripts: { 'report.php': eatsMemory } } });
    for (const { pid } of fpm.processes()) group.add(pid);
    limitMemory(group, 150 * mebibyte);
    const hungry = join(fpm.data, 'hungry');
    return { at, visits: { path: '/report.php', rate: 3 }, inject: () => writeFileSync(hungry, ''), takeAway: () => rmSync(hungry) };
  },
};
