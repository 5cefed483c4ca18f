/** The kernel ends what needs more memory than its control group has. */
import type { Scenes } from '../fault.ts';
import { cgroup, limitMemory } from '../cgroup.ts';
import { nodeStack } from '../stacks/node.ts';
import { onOnePage } from '../stacks/one-page.ts';
import type { PhpStack } from '../stacks/php.ts';

const mebibyte = 1024 ** 2;
const eatsMemory = '<?php ini_set("memory_limit", -1); for ($rows = [];;) $rows[] = str_repeat("row", 1000000);';

export const outOfMemory: Scenes = {
  async 'node-out-of-memory'(t) {
    const group = cgroup(t, 'memory');
    limitMemory(group, 200 * mebibyte);
    const { at, behave } = await nodeStack(t, { before: [group.enter] });
    return { at, inject: () => behave('eats-memory-once') };
  },
  async 'php-worker-out-of-memory'(t) {
    const group = cgroup(t, 'memory');
    const ready = ({ fpm }: PhpStack): void => {
      for (const { pid } of fpm.processes()) group.add(pid);
      limitMemory(group, 150 * mebibyte);
    };
    return onOnePage(t, { script: eatsMemory, rate: 1, ready });
  },
};
