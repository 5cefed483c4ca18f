/** Somebody else is at work: a package manager, a deploy. What they ended comes back by their hands. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pidfileService } from '../../e2e/site.ts';
import { start } from '../../support/program.ts';
import { programPath } from '../../support/skip.ts';
import { succeed } from '../../support/program.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { phpStack, type PhpStack } from '../stacks/php.ts';

const main = join(import.meta.dirname, '../../../src/cli/main.ts');

export const change: Scenes = {
  async 'package-upgrade'(t) {
    // the lab has mounts of its own: nobody else sees this database
    await succeed(['/usr/bin/mount', '-t', 'tmpfs', 'tmpfs', '/var/lib/dpkg']);
    t.teardown(() => succeed(['/usr/bin/umount', '--lazy', '/var/lib/dpkg']));
    const stack = await changed(t);
    const upgrade = `import fcntl, os, subprocess, time
lock = open('/var/lib/dpkg/lock-frontend', 'w')
fcntl.lockf(lock, fcntl.LOCK_EX)
for pid in [${pidsOf(stack).join(', ')}]: os.kill(pid, 9)
while not os.path.exists('${goOf(stack)}'): time.sleep(0.05)
subprocess.run(${JSON.stringify(stack.fpm.startArgv)}, check=True)`;
    return ended(t, stack, [programPath('python3'), '-c', upgrade]);
  },
  async deploy(t) {
    const stack = await changed(t);
    const script = `kill -9 ${pidsOf(stack).join(' ')}; while [ ! -e ${goOf(stack)} ]; do sleep 0.05; done; exec ${stack.fpm.startArgv.join(' ')}`;
    return ended(t, stack, [process.execPath, '--disable-warning=ExperimentalWarning', main, 'deploy', '--config', stack.gateway.config, '--reason', 'release 4711', '--', '/bin/sh', '-c', script]);
  },
};

function changed(t: TestScope): Promise<PhpStack> {
  return phpStack(t, { service: pidfileService, failOpen: false });
}

/** It ends once it may go on, and then all is well. */
function ended(t: TestScope, stack: PhpStack, argv: readonly string[]): Scene {
  const takeAway = (): void => writeFileSync(goOf(stack), '');
  const inject = (): void => {
    const running = start(argv);
    t.teardown(async () => {
      takeAway();
      await running.ended;
    });
  };
  return { at: stack.at, inject, takeAway };
}

function goOf({ fpm }: PhpStack): string {
  return join(fpm.folder, 'go');
}

function pidsOf({ fpm }: PhpStack): readonly number[] {
  return fpm.processes().map(({ pid }) => pid);
}
