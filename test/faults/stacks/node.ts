/** A Node application that a script starts and a pidfile names, behind nginx and goodgateway. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, freePort } from '../../support/ports.ts';
import { endAll, processes, type ProcessInfo } from '../../support/processes.ts';
import { succeed } from '../../support/program.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';
import { httpStack, type HttpOptions, type HttpStack } from './http.ts';

export interface NodeOptions extends HttpOptions {
  /** Lines of the start script before the application: limits, a cgroup. */
  readonly before?: readonly string[];
  /** Where the gateway looks for it. Default: where it listens. */
  readonly upstream?: (port: number) => string;
  /** Another program than `node-app.ts`, of this folder. */
  readonly program?: string;
  /** Called with its folder before it starts: for files that it reads then. */
  readonly prepare?: (folder: string) => void;
}

/** The application without anything before it. */
export interface NodeApplication {
  readonly folder: string;
  readonly port: number;
  readonly startScript: string;
  /** What a policy says of it. */
  readonly service: Readonly<Record<string, unknown>>;
  pid(): number;
  processes(): readonly ProcessInfo[];
  /** How it answers from now on: a name of `node-app.ts`. */
  behave(manner: string): void;
}

export type NodeStack = HttpStack & NodeApplication;

export async function nodeStack(t: TestScope, options: NodeOptions = {}): Promise<NodeStack> {
  const application = await nodeApplication(t, options);
  const address = (options.upstream ?? ((port) => `127.0.0.1:${port}`))(application.port);
  const stack = await httpStack(t, { policy: 'http-app.yaml', name: 'http-app', service: application.service, address }, options);
  return { ...stack, ...application };
}

/** Starts it, and waits until it accepts. */
export async function nodeApplication(t: TestScope, options: NodeOptions = {}): Promise<NodeApplication> {
  const folder = tempFolder(t, 'gg-node');
  const port = await freePort();
  const [pidfile, log, startScript] = [join(folder, 'app.pid'), join(folder, 'app.log'), join(folder, 'start')];
  const program = join(import.meta.dirname, options.program ?? 'node-app.ts');
  options.prepare?.(folder);
  const command = `setsid ${process.execPath} --disable-warning=ExperimentalWarning ${program} ${folder} ${port} </dev/null >>${log} 2>&1 &`;
  writeFileSync(startScript, ['#!/bin/sh', ...(options.before ?? []), command, `echo $! > ${pidfile}`, ''].join('\n'), { mode: 0o755 });
  const mine = (): ProcessInfo[] => processes(({ command }) => command.includes(`${program} ${folder} `));
  t.teardown(() => endAll(mine));
  await succeed([startScript]);
  await until(() => accepts({ host: '127.0.0.1', port }), { timeoutMs: 20_000, what: () => `the application to accept: ${readFileSync(log, 'utf8')}` });
  const service = { type: 'process', pidfile, start: [startScript], stop: { signal: 'TERM', timeout: '2s' }, log };
  return {
    folder,
    port,
    startScript,
    service,
    pid: () => Number(readFileSync(pidfile, 'utf8')),
    processes: mine,
    behave: (manner) => writeFileSync(join(folder, 'manner'), manner),
  };
}
