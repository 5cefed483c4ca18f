/** php-fpm dies or freezes, wholly or in parts. */
import { signal } from '../../support/processes.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { phpStack } from '../stacks/php.ts';

export const phpService: Scenes = {
  async 'php-killed'(t) {
    const { at, kill } = await phpStack(t);
    return { at, inject: kill };
  },
  async 'php-master-killed'(t) {
    const { at, fpm } = await phpStack(t);
    return { at, inject: () => signal(fpm.masterPid(), 'SIGKILL') };
  },
  async 'php-segfault-of-master'(t) {
    const { at, fpm } = await phpStack(t);
    return { at, inject: () => fpm.processes().forEach(({ pid }) => signal(pid, 'SIGSEGV')) };
  },
  async 'php-workers-killed'(t) {
    const { at, fpm } = await phpStack(t);
    let killer: NodeJS.Timeout | undefined;
    const takeAway = (): void => clearInterval(killer);
    t.teardown(takeAway);
    const killAll = (): void => fpm.workers().forEach(({ pid }) => signal(pid, 'SIGKILL'));
    return { at, visits: { path: '/late.php?ms=100' }, inject: () => (killer = setInterval(killAll, 500)), takeAway };
  },
  'php-frozen': (t) => frozen(t, ({ fpm }) => fpm.processes()),
  'php-workers-frozen': (t) => frozen(t, ({ fpm }) => fpm.workers()),
};

type Processes = ReturnType<Awaited<ReturnType<typeof phpStack>>['fpm']['processes']>;

async function frozen(t: TestScope, which: (stack: Awaited<ReturnType<typeof phpStack>>) => Processes): Promise<Scene> {
  const stack = await phpStack(t);
  return { at: stack.at, inject: () => which(stack).forEach(({ pid }) => signal(pid, 'SIGSTOP')) };
}
