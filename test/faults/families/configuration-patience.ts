/** Limits of time and size that are smaller than what is right for the application. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestScope } from '../../support/temp-folder.ts';
import type { SiteOptions } from '../../e2e/site.ts';
import type { Scene, Scenes } from '../fault.ts';
import { nodeStack } from '../stacks/node.ts';
import { phpStack } from '../stacks/php.ts';

export const patience: Scenes = {
  async 'header-too-big'(t) {
    const { at, behave } = await nodeStack(t);
    return { at, inject: () => behave('sends-a-huge-header'), takeAway: () => behave('well') };
  },
  'timeout-too-short': (t) => longPage(t, { gateway: { timeouts: { response: '1s' } } }),
  'request-terminate-timeout': (t) => longPage(t, { fpm: { pool: ['request_terminate_timeout = 1s'] } }),
};

/** Takes as long as it is told. */
const longScript = '<?php usleep(1000 * (int) file_get_contents(__DIR__ . "/../data/ms")); header("Content-Type: text/plain"); echo "done";';

/** A page that has become longer than it may; there are workers enough for everybody who waits. */
async function longPage(t: TestScope, options: SiteOptions): Promise<Scene> {
  const { at, fpm } = await phpStack(t, { ...options, failOpen: false, fpm: { ...options.fpm, maxChildren: 16, scripts: { 'export.php': longScript } } });
  const takes = (ms: number) => (): void => writeFileSync(join(fpm.data, 'ms'), String(ms));
  takes(10)();
  return { at, visits: { path: '/export.php', rate: 3 }, inject: takes(2500), takeAway: takes(10) };
}
