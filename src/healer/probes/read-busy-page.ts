import type { Evidence } from '../../core/diagnosis.ts';

/** That many busy workers are in one page, and for how long: evidence `busy_page`, the same of php-fpm and of Apache. At least one time. */
export function busyPageEvidence(page: string, timesMs: readonly number[], { busy, source }: { readonly busy: number; readonly source: string }): Evidence {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const [medianMs, longestMs] = [Math.round(sorted[Math.floor(sorted.length / 2)]!), Math.round(sorted.at(-1)!)];
  const text = `${timesMs.length} of ${busy} busy workers ${timesMs.length === 1 ? 'is' : 'are'} in ${page}, for ${Math.round(longestMs / 100) / 10} s at most.`;
  return { kind: 'busy_page', source, text, facts: { page, count: timesMs.length, busy, medianMs, longestMs } };
}
