import { mebibytes, type FuzzReport } from './run-fuzz.ts';

/** The report as a person reads it: what was done, what became of it, what the proxy needed, and what went wrong. */
export function formatFuzzReport(report: FuzzReport): string {
  const { atStart, afterWarmUp, highest, atEnd, violations } = report;
  const total = [...report.faults.values()].reduce((sum, times) => sum + times, 0);
  const usage = (
    [
      ['at start', atStart],
      ['after warm-up', afterWarmUp],
      ['highest', highest],
      ['at the end', atEnd],
    ] as const
  ).map(([when, used]) => `  ${when.padEnd(14)} ${mebibytes(used.rssBytes).padStart(10)} resident ${mebibytes(used.liveBytes).padStart(10)} held ${String(used.descriptors).padStart(4)} descriptors`);
  const verdict = violations.length === 0 ? 'every invariant held' : `${violations.length} VIOLATIONS, seed ${report.seed}`;
  return [
    '',
    `${total} faults in ${report.requests} requests of ${report.sessions} sessions, ${report.seconds.toFixed(0)} s, ${Math.round(total / report.seconds)} faults/s`,
    ...table(report.faults),
    'what became of the requests',
    ...table(report.verdicts),
    'the proxy process',
    ...usage,
    verdict,
    ...violations.slice(0, 20).map((violation) => `  ${violation}`),
  ].join('\n');
}

function table(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].sort(([, a], [, b]) => b - a).map(([what, times]) => `  ${String(times).padStart(7)}  ${what}`);
}
