/** The application itself: workers that crash, requests that kill, errors, limits of PHP. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { onOnePage } from '../stacks/one-page.ts';
import { phpStack } from '../stacks/php.ts';

/** PHP that runs only while the fault is there; otherwise the page is well. */
const release = (code: string): string => `<?php if (file_exists(__DIR__ . "/../data/new-release")) { ${code} } header("Content-Type: text/plain"); echo "hello";`;

export const application: Scenes = {
  // a null pointer is read, as a broken extension does it
  'segfault-by-ffi': (t) => released(t, 'FFI::string(FFI::cast("char *", FFI::new("intptr_t")), 8);', { pool: ['php_admin_value[ffi.enable] = true'] }),
  'segfault-by-signal': (t) => released(t, 'if (random_int(1, 3) === 1) posix_kill(getmypid(), 11);'),
  'fatal-error': (t) => released(t, 'calculate_price_of(new stdClass);'),
  'memory-limit': (t) => released(t, '$rows = []; for (;;) $rows[] = str_repeat("row", 10000);', { pool: ['php_admin_value[memory_limit] = 16M'] }),
  'execution-time-limit': (t) => onOnePage(t, { script: '<?php for (;;) sqrt(2);', rate: 0.7, others: 2, pool: ['php_admin_value[max_execution_time] = 1'] }),
  'endless-recursion': (t) => onOnePage(t, { script: '<?php function f($n) { return array_map("f", [$n + 1]); } f(0);', rate: 1 }),
  'poison-request': (t) => onOnePage(t, { script: '<?php posix_kill(getmypid(), 11);', rate: 1 }),
};

/** Every page runs the new code from now on; there is another for each visitor. */
async function released(t: TestScope, code: string, fpm: { readonly pool?: readonly string[] } = {}): Promise<Scene> {
  const stack = await phpStack(t, { fpm: { ...fpm, scripts: { 'page.php': release(code) } }, gateway: { quarantine: { for: '3s' } } });
  const file = join(stack.fpm.data, 'new-release');
  return { at: stack.at, visits: { path: (id) => `/page.php?article=${id}` }, inject: () => writeFileSync(file, ''), takeAway: () => rmSync(file) };
}
