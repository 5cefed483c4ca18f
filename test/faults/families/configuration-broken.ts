/** The configuration of a service was broken, which nobody noticed until it ended. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { endAll } from '../../support/processes.ts';
import { succeed } from '../../support/program.ts';
import { startByHand } from '../by-hand.ts';
import type { Scenes } from '../fault.ts';
import { apacheStack } from '../stacks/apache.ts';
import { innerNginxStack } from '../stacks/nginx.ts';
import { phpStack } from '../stacks/php.ts';

export const brokenConfiguration: Scenes = {
  async 'php-syntax-error'(t) {
    const { at, fpm, kill } = await phpStack(t);
    return { at, ...broken(fpm.config, 'pm.max_childern = lots\n', kill, () => startByHand(fpm)) };
  },
  async 'apache-bad-directive'(t) {
    const { at, apache, kill } = await apacheStack(t);
    return { at, ...broken(apache.config, 'SecRuleEngine On\n', kill, () => startByHand(apache)) };
  },
  async 'nginx-syntax-error'(t) {
    const { at, config, startArgv, processes } = await innerNginxStack(t);
    const kill = (): Promise<void> => endAll(processes, 'SIGKILL');
    return { at, ...broken(config, 'server {\n', kill, () => startByHand({ processes, start: () => succeed(startArgv) })) };
  },
};

/** A line more at the end, and nothing happens until the next start. */
function broken(config: string, line: string, kill: () => Promise<void>, start: () => Promise<void>): { readonly inject: () => Promise<void>; readonly takeAway: () => Promise<void> } {
  const well = readFileSync(config, 'utf8');
  return {
    inject: () => {
      appendFileSync(config, line);
      return kill();
    },
    takeAway: () => {
      writeFileSync(config, well);
      return start();
    },
  };
}
