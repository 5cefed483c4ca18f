/**
 * The lab runs in network and mount namespaces of its own: firewall rules, name servers, port ranges and small file
 * systems are there for nobody else, and the kernel removes them with the last process.
 */
import { spawn } from 'node:child_process';
import { isRoot } from '../support/skip.ts';

const mark = 'GOODGATEWAY_FAULTS_INSIDE';

/** Why there can be none here; `false` when there can. */
export const cannotHaveNamespaces: string | false = isRoot ? false : 'needs root, for namespaces, cgroups and users of its own';

export const isInside = process.env[mark] === '1';

/** Runs this very program again, inside. Resolves with its exit status. */
export function runInside(): Promise<number> {
  const inside = [
    '/usr/bin/unshare',
    '--net',
    '--mount',
    '--propagation',
    'private',
    '/bin/sh',
    '-c',
    '/usr/sbin/ip link set lo up && exec "$@"',
    'inside',
    process.execPath,
    ...process.argv.slice(1),
  ];
  const child = spawn('/usr/bin/env', inside, { stdio: 'inherit', env: { ...process.env, [mark]: '1' } });
  // it ends what it has started; a signal from a terminal reaches it too
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void child.kill(signal));
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)));
}

/** Inside: whoever waits for this lab was killed, so nobody is there to end it. Called once. */
export function whenAbandoned(end: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    end();
  }, 1000).unref();
}
