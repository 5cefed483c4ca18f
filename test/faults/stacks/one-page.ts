/** A site on which one page goes wrong, while the visitors of all others are well served. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLoad } from '../../support/load.ts';
import { answersHello } from '../../support/php-scripts.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene } from '../fault.ts';
import { phpStack, type PhpStack } from './php.ts';

export interface OnePage {
  readonly script: string;
  /** Requests a second for it. */
  readonly rate: number;
  /** Requests a second for all others. Default 10. */
  readonly others?: number;
  readonly pool?: readonly string[];
  readonly ready?: (stack: PhpStack) => void;
}

/** `/export.php` becomes the script, with visitors of its own. `ready`: what is to be done with the stack before. */
export async function onOnePage(t: TestScope, { script, rate, others = 10, pool = [], ready }: OnePage): Promise<Scene> {
  const stack = await phpStack(t, { fpm: { pool, scripts: { 'export.php': answersHello } } });
  const { at, fpm } = stack;
  ready?.(stack);
  const page = join(fpm.docroot, 'export.php');
  let load: { stop(): unknown } | undefined;
  const inject = (): void => {
    writeFileSync(page, script);
    load = startLoad(t, { port: at.port, rate, path: () => '/export.php', timeoutMs: 5000, seed: 2 });
  };
  const takeAway = async (): Promise<void> => {
    await load?.stop();
    writeFileSync(page, answersHello);
  };
  return { at, visits: { path: '/hello.php', rate: others }, inject, takeAway };
}
