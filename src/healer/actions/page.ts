import { z } from 'zod';
import type { Action } from '../leaves.ts';

const options = z.strictObject({});

/** Tells people what was found and what would help. Nothing else. */
export const page: Action<z.output<typeof options>> = {
  name: 'page',
  reach: 'none',
  reversible: true,
  needs: 'possible',
  counts: false,
  budget: 'none',
  evidence: 'none',
  configTest: false,
  tells: 'page',
  options,
  async perform({ target, suspect, tell, clock, signal }) {
    const started = clock.monotonicMs();
    if (signal.aborted) return { result: 'failed', detail: 'nobody was told: its time was over', durationMs: 0 };
    const text = [`${target.name}: ${suspect.sentence}`, suspect.remedy].filter((part) => part !== '').join(' ');
    const told = (await tell(text)) !== false;
    return { result: 'done', detail: told ? `told: ${text}` : `not told once more, because the same was told a moment ago: ${text}`, durationMs: clock.monotonicMs() - started };
  },
};
