/** The application itself: workers that crash, requests that kill, errors, limits of PHP. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startLoad } from '../../support/load.ts';
import { answersHello } from '../../support/php-scripts.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { phpStack } from '../stacks/php.ts';

/** PHP that runs only while the fault is there; otherwise the page is well. */
const release = (code: string): string => `<?php if (file_exists(__DIR__ . "/../data/new-release")) { ${code} } header("Content-Type: text/plain"); echo "hello";`;

export const application: Scenes = {
  // a null pointer is read, as a broken extension does it
  'segfault-by-ffi': (t) => released(t, 'FFI::string(FFI::cast("char *", FFI::new("intptr_t")), 8);', { pool: ['php_admin_value[ffi.enable] = true'] }),
  'segfault-by-signal': (t) => released(t, 'if (random_int(1, 3) === 1) posix_kill(getmypid(), 11);'),
  'fatal-error': (t) => released(t, 'calculate_price_of(new stdClass);'),
  'memory-limit': (t) => released(t, '$rows = []; for (;;) $rows[] = str_repeat("row", 10000);', { pool: ['php_admin_value[memory_limit] = 16M'] }),
  'execution-time-limit': (t) => released(t, 'for (;;) sqrt(2);', { pool: ['php_admin_value[max_execution_time] = 1'], maxChildren: 20 }, 2),
  'endless-recursion': async (t) => crashesOnOnePage(t, '<?php function f($n) { return array_map("f", [$n + 1]); } f(0);'),
  'poison-request': async (t) => crashesOnOnePage(t, '<?php posix_kill(getmypid(), 11);'),
};

/** Every page runs the new code from now on. */
async function released(t: TestScope, code: string, fpm: { readonly pool?: readonly string[]; readonly maxChildren?: number } = {}, rate = 10): Promise<Scene> {
  const stack = await phpStack(t, { fpm: { ...fpm, scripts: { 'page.php': release(code) } } });
  const file = join(stack.fpm.data, 'new-release');
  return { at: stack.at, visits: { path: '/page.php', rate }, inject: () => writeFileSync(file, ''), takeAway: () => rmSync(file) };
}

/** The others go on visiting a page that is well; one in two seconds asks for this one. */
async function crashesOnOnePage(t: TestScope, script: string): Promise<Scene> {
  const { at, fpm } = await phpStack(t, { fpm: { scripts: { 'export.php': answersHello } } });
  const page = join(fpm.docroot, 'export.php');
  let load: { stop(): unknown } | undefined;
  const inject = (): void => {
    writeFileSync(page, script);
    load = startLoad(t, { port: at.port, rate: 1, path: () => '/export.php', timeoutMs: 5000, seed: 2 });
  };
  const takeAway = async (): Promise<void> => {
    await load?.stop();
    writeFileSync(page, answersHello);
  };
  return { at, inject, takeAway };
}
