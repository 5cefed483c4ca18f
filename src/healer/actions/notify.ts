import { z } from 'zod';
import { name, oneOrMany } from '../../config/values.ts';
import type { Action } from '../leaves.ts';

const options = z.strictObject({
  to: oneOrMany(name()).optional().describe('Who is told: names under `notifiers:`. Default: `notify.to` of the policy.'),
  text: z.string({ error: 'expected a sentence' }).min(3).max(500).optional().describe('A sentence of your own. Default: what was found, and what would help.'),
});

/** Tells people for their information, and the next step follows. Nobody is taken to be on the way: that is `page`. */
export const notify: Action<z.output<typeof options>> = {
  name: 'notify',
  reach: 'none',
  reversible: true,
  needs: 'possible',
  counts: false,
  budget: 'none',
  evidence: 'none',
  configTest: false,
  tells: 'notice',
  options,
  async perform({ target, suspect, tell, clock, signal }, { to, text: own }) {
    const started = clock.monotonicMs();
    if (signal.aborted) return { result: 'failed', detail: 'nobody was told: its time was over', durationMs: 0 };
    const text = `${target.name}: ${own ?? [suspect.sentence, suspect.remedy].filter((part) => part !== '').join(' ')}`;
    await tell(text, to);
    return { result: 'done', detail: `told${to ? ` ${to.join(', ')}` : ''}: ${text}`, durationMs: clock.monotonicMs() - started };
  },
};
