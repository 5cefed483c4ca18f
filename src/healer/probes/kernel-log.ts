/**
 * What the kernel has complained of since the service was last seen well: evidence `kernel`, one for each kind of
 * trouble and whom it is about, with the last such line and how often it came.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe } from '../leaves.ts';
import { kernelWords } from './read-kernel-lines.ts';
import { readKernelLog, type KernelLine } from './read-kernel-log.ts';
import { oomKillsIn } from './read-oom-kills.ts';

/** The kernel may complain some seconds before the first visitor suffers, and its clock is not quite ours. */
const marginMs = 10_000;
/** Looked back when the service was never seen well. */
const longestMs = 600_000;
const mostKinds = 16;
const quoteLimit = 300;

/** Applies to every service on this host. */
export const kernelLog: Probe = {
  name: 'kernel-log',
  deadlineMs: 1000,
  quick: false,
  applies: ({ config }) => config.type !== 'external',
  async look({ clock, lastGoodMs }) {
    const log = readKernelLog();
    if (typeof log === 'string') return [{ kind: 'kernel', source: '/dev/kmsg', text: 'The log of the kernel could not be read.', facts: {}, missing: log }];
    const sinceMs = Math.max(lastGoodMs - marginMs, clock.wallMs() - longestMs);
    return kernelEvidence(log.filter(({ atMs }) => atMs > sinceMs));
  },
};

function kernelEvidence(lines: readonly KernelLine[]): readonly Evidence[] {
  const words = [
    ...kernelWords(lines).map(({ what, text, fields }) => ({ what, text, fields, about: [fields['program'], fields['device'], fields['group'], fields['port']].join() })),
    ...oomKillsIn(lines).map(({ text, pid, program, scope, group, eater }) => ({
      what: 'oom_kill',
      text,
      about: program,
      fields: { pid, program, scope, group, ...(eater ? { eater: eater.program, eaterCount: eater.count, eaterPages: eater.pages } : {}) },
    })),
  ];
  const kinds = Map.groupBy(words, ({ what, about }) => `${what} ${about}`);
  return [...kinds.values()].slice(-mostKinds).map((same) => {
    const { what, text, fields } = same.at(-1)!;
    return { kind: 'kernel', source: '/dev/kmsg', text: `The kernel says: ${text.slice(0, quoteLimit)}`, facts: { ...fields, what, count: same.length } };
  });
}
