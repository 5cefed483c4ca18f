/**
 * What the kernel has complained of since the service was last seen well: evidence `kernel`, one for each kind of
 * trouble and whom it is about, with the last such line and how often it came.
 */
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe } from '../leaves.ts';
import { kernelWords } from './read-kernel-lines.ts';
import type { KernelLine } from './read-kernel-log.ts';
import { kernelLogOf, troubleSinceMs } from './read-once.ts';
import { oomKillsIn } from './read-oom-kills.ts';

const mostKinds = 16;
const quoteLimit = 300;

/** Applies to every service on this host. */
export const kernelLog: Probe = {
  name: 'kernel-log',
  deadlineMs: 1000,
  quick: false,
  applies: ({ config }) => config.type !== 'external',
  async look(context) {
    const log = kernelLogOf(context);
    if (typeof log === 'string') return [{ kind: 'kernel', source: '/dev/kmsg', text: 'The log of the kernel could not be read.', facts: {}, missing: log }];
    const sinceMs = troubleSinceMs(context);
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
