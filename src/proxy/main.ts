/** The proxy process. Started by the supervisor or by systemd with `--config FILE`; it may execute nothing. */
import { parseArgs } from 'node:util';

/** Until it runs there is nothing to open or to read again. */
let readAgain = (): void => undefined;
process.on('SIGHUP', () => readAgain());

const { values } = parseArgs({ options: { config: { type: 'string' }, runtime: { type: 'string' } } });
const { pino } = await import('pino');
const { formatProblem } = await import('../config/problem.ts');
const { endInOrder } = await import('../channel/end-in-order.ts');
const { endWithSupervisor } = await import('../channel/end-with-supervisor.ts');
const { productVersion } = await import('../config/product-version.ts');
const { findHost } = await import('./host-source.ts');
const { runProxyOf } = await import('./run-proxy.ts');

/** Answers under way at a stop may take so long. */
const drainMs = 10_000;

const found = await findHost(values.config ?? '/etc/goodgateway/goodgateway.yaml', values.runtime);
if (!found.ok) {
  for (const problem of found.problems) process.stderr.write(`${formatProblem(problem)}\n`);
  process.exit(2);
}
const log = pino({ level: found.host.log.level, base: { process: 'proxy' } }, pino.destination(2));
try {
  if (found.notice !== undefined) log.warn({}, found.notice);
  const proxy = await runProxyOf(found.source, productVersion(), log);
  endWithSupervisor(() => process.kill(process.pid, 'SIGTERM'));
  readAgain = () =>
    void Promise.all([proxy.reopenAccessLog(), proxy.reload()]).then(([isThere, alone]) =>
      log.info(
        {},
        `SIGHUP: ${isThere ? 'the access record was opened again' : 'there is no access record to open again'}${alone ? '' : '; the healer reads the configuration, and says what is taken'}`,
      ),
    );
  log.info({ pid: process.pid, node: process.version }, 'the proxy is ready');
  endInOrder({
    withinMs: drainMs + 1000,
    close: async (bug) => {
      if (bug) log.error({ err: bug }, 'a bug in goodgateway: the proxy ends and is started again');
      await proxy.close(AbortSignal.timeout(bug ? 0 : drainMs));
    },
  });
} catch (error) {
  log.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
  process.exit();
}
