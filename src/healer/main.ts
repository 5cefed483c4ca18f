/** The healer process: the only one with rights. Started by the supervisor or by systemd with `--config FILE`. */
import { parseArgs } from 'node:util';

// before anything else: the signal's own effect would be our end, and who is starting reads the files in any case
let readAgain = (): void => undefined;
process.on('SIGHUP', () => readAgain());
const { values } = parseArgs({ options: { config: { type: 'string' } } });
const { pino } = await import('pino');
const { loadConfiguration, findConfiguration } = await import('../config/load.ts');
const { formatProblem } = await import('../config/problem.ts');
const { endInOrder } = await import('../channel/end-in-order.ts');
const { endWithSupervisor } = await import('../channel/end-with-supervisor.ts');
const { productVersion } = await import('../config/product-version.ts');
const { actionOptions } = await import('./action-options.ts');
const { runHealer } = await import('./run-healer.ts');

const loaded = await loadConfiguration(await findConfiguration(values.config), { actionOptions });
if (!loaded.ok) {
  for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
  process.exit(2);
}
const log = pino({ level: loaded.configuration.host.log.level, base: { process: 'healer' } }, pino.destination(2));
try {
  const healer = await runHealer(loaded.configuration, { product: productVersion(), log });
  endWithSupervisor(() => process.kill(process.pid, 'SIGTERM'));
  readAgain = () => void healer.reload('SIGHUP');
  log.info({ pid: process.pid, node: process.version }, 'the healer is ready');
  endInOrder({
    withinMs: 4000,
    close: async (bug) => {
      if (bug) log.error({ err: bug }, 'a bug in goodgateway: the healer ends and is started again');
      await healer.close();
    },
  });
} catch (error) {
  log.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
  process.exit();
}
