/**
 * Would the services start again? Each one's own configuration test: of the policies' services, and of the php-fpm,
 * Apache and nginx that are found. As root only, but for tests that a policy names: servers open their logs for it.
 */
import { configTestOptions, tellingLine } from '../../healer/service-parts/config-tests.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import type { Unseen } from '../finding.ts';
import { fpmProgram } from '../pools.ts';

interface ConfigTest {
  readonly subject: string;
  readonly argv: readonly string[];
  readonly options: ReturnType<typeof configTestOptions>;
  readonly timeoutMs: number;
}

const usualTimeoutMs = 60_000;

export const configTests: Check = {
  name: 'config-tests',
  family: 'configuration',
  deadlineMs: 65_000,
  finds: { 'config-test-fails': { severity: 'serious', when: "a service's own configuration test fails: it would not start again" } },
  check: async (context, signal) => {
    const tests = [...(await testsOf(context)).values()];
    if (!context.outside.isRoot) return { findings: [], unseen: tests.map(({ subject }) => ({ subject: `the configuration test of ${subject}`, why: 'it needs root' })) };
    const results = await Promise.all(tests.map((test) => run(context, test, signal)));
    return { findings: results.flatMap((result) => result.findings), unseen: results.flatMap((result) => result.unseen ?? []) };
  },
};

/** By argv: one that several name is made once. */
async function testsOf({ services, pools, nginx, files, processes }: DoctorContext): Promise<ReadonlyMap<string, ConfigTest>> {
  const tests = new Map<string, ConfigTest>();
  for (const { target, type } of services) {
    const argv = target.config.config_test ?? type.configTest(target);
    if (argv) tests.set(argv.join(' '), { subject: target.name, argv, options: configTestOptions(target), timeoutMs: target.config.config_test_timeout });
  }
  const found = [
    ...[...new Set(pools.map((pool) => pool.main))].flatMap((main) => {
      const program = fpmProgram(main);
      return program ? [{ subject: main, argv: [program, '--fpm-config', main, '-t'] }] : [];
    }),
    ...(nginx ? [{ subject: nginx.file, argv: ['/usr/sbin/nginx', '-t', '-c', nginx.file] }] : []),
    // Debian's apachectl makes folders for it, so only where Apache is in use
    ...(processes.some(({ command }) => /^\/usr\/sbin\/(apache2|httpd)( |$)/.test(command)) ? [{ subject: 'apache2', argv: ['/usr/sbin/apachectl', 'configtest'] }] : []),
  ];
  for (const { subject, argv } of found) {
    const isTested = [...tests.values()].some((test) => test.argv[0] === argv[0]);
    if (!isTested && (await files.stat(argv[0]!))) tests.set(argv.join(' '), { subject, argv, options: {}, timeoutMs: usualTimeoutMs });
  }
  return tests;
}

async function run({ outside }: DoctorContext, { subject, argv, options, timeoutMs }: ConfigTest, signal: AbortSignal): Promise<CheckResult> {
  const result = await outside.run.run(argv, { ...options, timeoutMs, signal });
  const command = argv.join(' ');
  if (result.exitCode === 0) return { findings: [] };
  // no result is no failure
  if (result.exitCode === undefined)
    return { findings: [], unseen: [{ subject: `the configuration test of ${subject}`, why: result.startError ?? `${command} did not end in time` } satisfies Unseen] };
  return {
    findings: [
      {
        id: 'config-test-fails',
        subject,
        what: `Its configuration test fails: ${tellingLine(result)}`,
        why: 'It still runs with the configuration that it started with. The next restart, or a crash, an upgrade, a reboot, leaves it down, with all sites that it serves.',
        change: `correct what the test names, then: ${command}`,
        source: command,
      },
    ],
  };
}
