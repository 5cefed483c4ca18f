/** A program that takes more than its part. It ends by a deadline of its own, whatever becomes of the lab. */
import type { Cgroup } from './cgroup.ts';
import { start } from '../support/program.ts';
import { signal } from '../support/processes.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

export interface Hog {
  begin(): void;
  /** Everything that it has started, too. */
  end(): Promise<void>;
}

const deadlineS = 90;

/** `argv` with what it starts, in these control groups. */
export function hog(t: TestScope, argv: readonly string[], groups: readonly Cgroup[] = []): Hog {
  let leader: number | undefined;
  const end = async (): Promise<void> => {
    const mine = leader;
    if (mine === undefined) return;
    leader = undefined;
    // a moment after its start it has no group yet
    for (const pid of [-mine, mine]) signal(pid, 'SIGKILL');
    await until(() => isGone(mine), { timeoutMs: 20_000, what: `the end of ${argv[0]}` });
  };
  t.teardown(end);
  const script = [...groups.map(({ enter }) => enter), 'exec "$@"'].join('; ');
  // timeout(1) makes a process group of its own, which only a program leaves that wants to
  return { begin: () => (leader = start(['/usr/bin/timeout', '--signal=KILL', String(deadlineS), '/bin/sh', '-c', script, 'hog', ...argv]).pid), end };
}

function isGone(group: number): boolean {
  try {
    process.kill(-group, 0);
    return false;
  } catch {
    return true;
  }
}
