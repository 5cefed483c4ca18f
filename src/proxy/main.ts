/** The proxy process. Started by the supervisor or by systemd with `--config FILE`; it may execute nothing. */
import { parseArgs } from 'node:util';

/** Until it runs there is nothing to open again. */
let reopen = (): void => undefined;
process.on('SIGHUP', () => reopen());

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const { default: closeWithGrace } = await import('close-with-grace');
const { pino } = await import('pino');
const { loadHost } = await import('../config/load-host.ts');
const { formatProblem } = await import('../config/problem.ts');
const { endWithSupervisor } = await import('../channel/end-with-supervisor.ts');
const { productVersion } = await import('../config/product-version.ts');
const { runProxy } = await import('./run-proxy.ts');

/** Answers under way at a stop may take so long. */
const drainMs = 10_000;

const loaded = await loadHost(values.config ?? '/etc/goodgateway/goodgateway.yaml');
if (!loaded.ok) {
  for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
  process.exit(2);
}
const log = pino({ level: loaded.host.log.level, base: { process: 'proxy' } }, pino.destination(2));
try {
  const proxy = await runProxy(loaded.host, productVersion(), log);
  endWithSupervisor(() => process.kill(process.pid, 'SIGTERM'));
  // its gateways are changed by a restart only; the healer reads policies and limits again
  reopen = () =>
    void proxy
      .reopenAccessLog()
      .then((isThere) => log.info({}, `SIGHUP: ${isThere ? 'the access record was opened again' : 'there is no access record to open again'}; to change a gateway, restart goodgateway`));
  log.info({ pid: process.pid, node: process.version }, 'the proxy is ready');
  closeWithGrace({ skip: ['SIGHUP'], delay: drainMs + 1000 }, async ({ err }) => {
    if (err) log.error({ err }, 'a bug in goodgateway: the proxy ends and is started again');
    await proxy.close(AbortSignal.timeout(err ? 0 : drainMs));
  });
} catch (error) {
  log.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
  process.exit();
}
