/** Workers that died by a fault, as php-fpm's and Apache's logs say: before one page kills all of them. */
import type { Check, CheckResult, DoctorContext } from '../check.ts';

/** SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV: faults of the worker itself, never somebody's kill. */
const fault = /^(.{0,60}?)(?:child \d+ exited on signal (?:4|6|7|8|11)\b|child pid \d+ exit signal (?:Illegal|Abort|Aborted|Bus error|Floating|Segmentation))/;
const several = 2;

export const crashingWorkers: Check = {
  name: 'crashing-workers',
  family: 'application',
  deadlineMs: 15_000,
  finds: { 'workers-crash': { severity: 'warning', when: "php-fpm's or Apache's current log says that several workers died by a fault (segmentation fault and the like)" } },
  check: async (context) => ({ findings: (await Promise.all(logsOf(context).map((log) => count(context, log)))).flat() }),
};

function logsOf({ pools, services }: DoctorContext): readonly string[] {
  const ofPools = pools.flatMap((pool) => pool.global('error_log')?.value ?? []);
  const ofServices = services.flatMap(({ target }) => target.config.log ?? []);
  return [...new Set([...ofPools, ...ofServices, '/var/log/apache2/error.log', '/var/log/httpd/error_log'])].filter((path) => path.startsWith('/'));
}

async function count({ files }: DoctorContext, log: string): Promise<CheckResult['findings']> {
  const lines = ((await files.end(log)) ?? '').split('\n').filter((line) => line.length < 4096 && fault.test(line));
  const last = lines.at(-1);
  if (lines.length < several || last === undefined) return [];
  return [
    {
      id: 'workers-crash',
      subject: log,
      what: `Its last part names ${lines.length} workers that died by a fault; the last: ${last.slice(0, 160)}`,
      why: 'Each time somebody gets "502 Bad Gateway". When the page that does it becomes popular, or a robot repeats it, all workers die again and again; a restart does not help.',
      change: 'see which library it is (journalctl -k -g segfault); if it began with an upgrade, go back; else take extensions (opcache JIT, profilers) out one by one',
      source: log,
    },
  ];
}
