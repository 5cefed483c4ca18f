/** The service listens elsewhere, or somebody else listens in its place. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../support/ports.ts';
import { endAll, processes, type ProcessInfo } from '../../support/processes.ts';
import { start, succeed } from '../../support/program.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';
import type { Scene, Scenes } from '../fault.ts';
import { apacheStack, type ApacheStack } from '../stacks/apache.ts';
import { nodeStack } from '../stacks/node.ts';

export const ports: Scenes = {
  async 'port-changed'(t) {
    const other = await freePort();
    const stack = await apacheStack(t, { gateway: { also_allowed: [`127.0.0.1:${other}`] } });
    return { at: stack.at, inject: () => moveApache(stack, other) };
  },
  async 'port-changed-unannounced'(t) {
    const other = await freePort();
    const stack = await apacheStack(t);
    return { at: stack.at, inject: () => moveApache(stack, other), takeAway: () => moveApache(stack, stack.apache.port) };
  },
  async 'port-on-another-address'(t) {
    const { at, folder, startScript, processes: applications } = await nodeStack(t);
    const program = readFileSync(startScript, 'utf8');
    const listenOn = async (address: string): Promise<void> => {
      writeFileSync(startScript, program.replace(/ (\S+) (\d+) </, ` $1 $2 ${address} <`));
      const old = applications().map(({ pid }) => String(pid));
      // in one go, as a service manager restarts it: between the two it would be a crash
      await succeed(['/bin/sh', '-c', `kill -9 "$@"; ${join(folder, 'start')}`, 'restart', ...old]);
    };
    return { at, inject: () => listenOn('127.0.0.2'), takeAway: () => listenOn('127.0.0.1') };
  },
  'port-taken': portTaken,
};

/** As an administrator does it who has changed `Listen`. */
async function moveApache({ apache }: ApacheStack, port: number): Promise<void> {
  const text = readFileSync(apache.config, 'utf8');
  writeFileSync(apache.config, text.replace(/^Listen 127\.0\.0\.1:\d+$/m, `Listen 127.0.0.1:${port}`));
  await succeed([...apache.configTestArgv.slice(0, -1), '-k', 'restart']);
}

/** Waits for the port as a supervisor does that tries again and again, and answers whatever it is asked. */
const squatter = `
const server = require('node:http').createServer((request, answer) => answer.writeHead(404).end('not here'));
server.on('error', () => setTimeout(listen, 5));
const listen = () => server.listen(Number(process.argv[1]), '127.0.0.1');
listen();
setTimeout(() => process.exit(), 120_000);`;

async function portTaken(t: TestScope): Promise<Scene> {
  const { at, apache, kill } = await apacheStack(t);
  const mine = (): ProcessInfo[] => processes(({ command }) => command.includes(squatter.trim().split('\n')[0]!) && command.endsWith(` ${apache.port}`));
  t.teardown(() => endAll(mine));
  const inject = async (): Promise<void> => {
    start([process.execPath, '-e', squatter, String(apache.port)]);
    await until(() => mine().length > 0, { timeoutMs: 15_000, what: 'the other program' });
    await kill();
  };
  const takeAway = async (): Promise<void> => {
    await endAll(mine, 'SIGKILL');
    if (apache.processes().length === 0) await apache.start();
  };
  return { at, inject, takeAway };
}
