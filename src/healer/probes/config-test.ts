/** The service's own word on its configuration: evidence `config_test`. A test out of time is unknown, not failed. */
import type { CommandResult, Probe, ServiceTarget } from '../leaves.ts';

/** Applies where the service type or the policy knows a test. Runs it as the service is started. */
export const configTest: Probe = {
  name: 'config-test',
  deadlineMs: 60_000,
  quick: false,
  applies: (target) => target.config.type !== 'external' || target.config.config_test !== undefined,
  async look({ target, run, serviceType }, signal) {
    const argv = target.config.config_test ?? serviceType.configTest(target);
    if (!argv) return [];
    const timeoutMs = Math.min(configTest.deadlineMs, target.config.config_test_timeout);
    const result = await run.run(argv, { timeoutMs, signal, ...startedAs(target) });
    const command = argv.join(' ');
    const base = { kind: 'config_test', source: command };
    if (result.exitCode === undefined || result.timedOut) {
      const missing = result.startError ?? (result.timedOut ? `not finished after ${timeoutMs} ms` : `ended by ${result.signal ?? 'a signal'}`);
      return [{ ...base, text: 'The configuration test did not finish.', facts: {}, missing }];
    }
    const passed = result.exitCode === 0;
    const line = passed ? '' : tellingLine(result);
    return [{ ...base, text: passed ? 'The configuration test passes.' : line, facts: { passed, exitCode: result.exitCode, command, line } }];
  },
};

function startedAs({ config }: ServiceTarget): { readonly user?: string; readonly folder?: string; readonly environment?: Readonly<Record<string, string>> } {
  if (config.type !== 'process') return {};
  return {
    ...(config.user === undefined ? {} : { user: config.user }),
    ...(config.folder === undefined ? {} : { folder: config.folder }),
    ...(config.environment === undefined ? {} : { environment: config.environment }),
  };
}

/** The first line that names an error; the lines after it only say that everything failed. Without one the last. */
function tellingLine({ output, exitCode }: CommandResult): string {
  const lines = output.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  const index = lines.findIndex((line) => ['ERROR:', 'Syntax error', '[emerg]', 'rror:'].some((mark) => line.includes(mark)));
  const line = lines.at(index) ?? `exit status ${exitCode}, without a word`;
  // Apache names the place in one line and the reason in the next.
  return (line.endsWith(':') && index >= 0 ? `${line} ${lines[index + 1] ?? ''}` : line).slice(0, 500);
}
