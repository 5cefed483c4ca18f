/** Apache and a Node application die or freeze. */
import { signal } from '../../support/processes.ts';
import { succeed } from '../../support/program.ts';
import type { Scenes } from '../fault.ts';
import { apacheStack } from '../stacks/apache.ts';
import { nodeStack } from '../stacks/node.ts';

export const httpService: Scenes = {
  async 'apache-killed'(t) {
    const { at, kill } = await apacheStack(t);
    return { at, inject: kill };
  },
  async 'apache-master-killed'(t) {
    const { at, apache } = await apacheStack(t);
    return { at, inject: () => signal(apache.masterPid(), 'SIGKILL') };
  },
  async 'apache-frozen'(t) {
    const { at, apache } = await apacheStack(t);
    return { at, inject: () => apache.processes().forEach(({ pid }) => signal(pid, 'SIGSTOP')) };
  },
  async 'node-killed'(t) {
    const { at, pid } = await nodeStack(t);
    return { at, inject: () => signal(pid(), 'SIGKILL') };
  },
  async 'node-exits'(t) {
    const { at, behave, processes } = await nodeStack(t);
    const inject = (): void => {
      behave('throws-where-nobody-catches');
      // one request is enough; the next start finds the fault gone
      const timer = setInterval(() => {
        if (processes().length > 0) return;
        clearInterval(timer);
        behave('well');
      }, 10);
      t.teardown(() => clearInterval(timer));
    };
    return { at, inject };
  },
  async 'node-crash-loop'(t) {
    const { at, behave, pid, processes, startScript } = await nodeStack(t);
    const inject = (): void => {
      behave('ends-after-its-start');
      signal(pid(), 'SIGKILL');
    };
    // goodgateway has given up, or is about to try once more
    const takeAway = async (): Promise<void> => {
      behave('well');
      if (processes().length === 0) await succeed([startScript]);
    };
    return { at, inject, takeAway };
  },
  async 'node-deadlock'(t) {
    const { at, behave } = await nodeStack(t);
    return { at, inject: () => behave('waits-for-ever-once') };
  },
};
