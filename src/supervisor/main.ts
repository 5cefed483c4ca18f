/**
 * The supervisor of `goodgateway run`: `--config FILE --state FOLDER --proxy RIGHTS`. `run` checks the configuration and
 * then becomes this program (same pid), which loads next to nothing: it lives as long as the proxy and must not cost
 * like one. What it is told it believes: whoever starts it has its rights.
 */
import { parseArgs } from 'node:util';
import type { ProxyRights } from './entry-points.ts';

// before anything is loaded: a log rotation in the first moment would end it, and both read the configuration when they start
process.on('SIGHUP', () => undefined);
const { ownProcesses } = await import('./entry-points.ts');
const { supervise } = await import('./supervise.ts');

/** Answers under way may finish for so long; the proxy itself stops after 10 s. */
const graceMs = 12_000;

const { values } = parseArgs({ options: { config: { type: 'string' }, state: { type: 'string' }, proxy: { type: 'string' } } });
if (!values.config || !values.state || !values.proxy) {
  process.stderr.write('expected --config FILE --state FOLDER --proxy RIGHTS; use: goodgateway run\n');
  process.exit(2);
}
const file = values.config;
let stopping = false;

/** One line of JSON, as the two processes log. */
function log(level: 30 | 40, fields: object, msg: string): void {
  process.stderr.write(`${JSON.stringify({ level, time: Date.now(), process: 'supervisor', ...fields, msg })}\n`);
}

async function end(why: string, exitCode: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  log(30, { why }, 'stopping');
  process.exitCode = exitCode;
  await supervisor.stop(graceMs);
}

const supervisor = supervise(
  ownProcesses(file, { state: values.state, proxy: JSON.parse(values.proxy) as ProxyRights }),
  { info: (fields, message) => log(30, fields, message), warn: (fields, message) => log(40, fields, message) },
  (name) => void end(`${name} cannot run with this configuration: goodgateway check --config ${file} says why`, 1),
);
process.on('SIGHUP', () => {
  // the proxy opens its access record again, and reads its gateways where no healer is there; one that does not run does both when it starts
  supervisor.signal('proxy', 'SIGHUP');
  // the healer reads all of the configuration again, has the proxy take it, and says what came of it
  if (!supervisor.signal('healer', 'SIGHUP')) log(40, {}, 'SIGHUP: the healer does not run at the moment; it reads the configuration when it starts');
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal, 0));
