import { Command } from 'commander';
import { findConfiguration } from '../config/load.ts';
import { loadHost } from '../config/load-host.ts';
import { formatProblem } from '../config/problem.ts';
import { ownProcesses } from '../supervisor/entry-points.ts';
import { supervise } from '../supervisor/supervise.ts';

/** Answers under way may finish for so long; the proxy itself stops after 10 s. */
const graceMs = 12_000;

/** `goodgateway run`: proxy and healer under one small supervisor, until SIGTERM or SIGINT. */
export function runCommand(): Command {
  return new Command('run')
    .description('start proxy and healer and keep them running')
    .option('--config <file>', 'goodgateway.yaml (default: /etc/goodgateway/goodgateway.yaml, then ./goodgateway.yaml)')
    .addHelpText('after', '\nExample:\n  goodgateway run --config /etc/goodgateway/goodgateway.yaml')
    .action(async (options: { config?: string }) => {
      const { pino } = await import('pino');
      const log = pino({ base: { process: 'supervisor' } }, pino.destination(2));
      const file = await findConfiguration(options.config);
      const loaded = await loadHost(file);
      if (!loaded.ok) {
        for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
        process.exitCode = 2;
        return;
      }
      await new Promise<void>((resolve) => {
        const end = async (why: string, exitCode: number): Promise<void> => {
          log.info({ why }, 'stopping');
          process.exitCode = exitCode;
          await supervisor.stop(graceMs);
          resolve();
        };
        const supervisor = supervise(ownProcesses(file, { state: loaded.host.state }), log, (name) => void end(`${name} cannot run with this configuration: goodgateway check --config ${file} says why`, 1));
        for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end(signal, 0));
      });
    });
}
