/** What the lab as a whole must show. Pure. */
import type { Row } from './judge.ts';

/** Least share of the faults whose cause is named rightly; the rest may only be unknown. */
const leastRight = 0.95;

export interface Judgement {
  /** In one line. */
  readonly text: string;
  /** Expectations that are not met, each as a sentence. Empty: all is well. */
  readonly broken: readonly string[];
}

/** Causes right in at least 95 %, none confidently wrong, nothing harmful done, everything detected and well again. */
export function judge(rows: readonly Row[]): Judgement {
  const count = (verdict: Row['verdict']): number => rows.filter((row) => row.verdict === verdict).length;
  const harmful = rows.reduce((sum, row) => sum + row.harmful.length, 0);
  const share = rows.length === 0 ? 0 : count('right') / rows.length;
  const tooFew = share < leastRight ? [`the cause was named rightly for ${percent(share)} of the faults, which must be ${percent(leastRight)}`] : [];
  const healed = rows.filter(({ healedInMs }) => healedInMs !== undefined).length;
  return {
    text: `${rows.length} faults: cause right ${count('right')}, unknown ${count('unknown')}, wrong ${count('wrong')}; harmful actions ${harmful}; well again ${healed}.`,
    broken: [...rows.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)), ...tooFew],
  };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
