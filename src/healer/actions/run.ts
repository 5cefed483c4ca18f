import { lstatSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { command } from '../../config/values.ts';
import type { Action } from '../leaves.ts';
import { stepFromCommand } from '../service-parts/step-result.ts';

const options = z.strictObject({
  command: command().describe('A program by its absolute path, with its arguments. Nothing from a request can become one of them.'),
}).superRefine((value, context) => {
  const unsafe = whyUnsafe(value.command[0] ?? '');
  if (unsafe !== undefined) context.addIssue({ code: 'custom', message: unsafe, path: ['command', 0] });
});

/** The step's own time limit aborts it long before. */
const ceilingMs = 3_600_000;

/** Runs a program that the policy names. Who could change the program could act as us, so it is checked at load and again before each run. */
export const run: Action<z.output<typeof options>> = {
  name: 'run',
  reach: 'service',
  reversible: false,
  needs: 'likely',
  counts: true,
  budget: 'none',
  configTest: false,
  options,
  async perform({ run: program, signal }, { command: argv }) {
    const unsafe = whyUnsafe(argv[0] ?? '');
    if (unsafe !== undefined) return { result: 'failed', detail: unsafe, argv, durationMs: 0 };
    return stepFromCommand(argv[0] ?? '', await program.run(argv, { timeoutMs: ceilingMs, signal }));
  },
};

/** The file itself and every folder above it, links resolved: owned by root (or by us, when we are not root) and writable by nobody else. */
function whyUnsafe(path: string): string | undefined {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    return `${path} does not exist`;
  }
  const trusted = new Set([0, process.getuid?.() ?? 0]);
  for (let at = real; ; at = dirname(at)) {
    const { uid, mode } = lstatSync(at);
    if (!trusted.has(uid)) return `${at} belongs to another user (uid ${uid}): whoever owns it could act through goodgateway`;
    // A sticky folder (/tmp) lets nobody replace another's file, but anybody could have put this one there.
    if ((mode & 0o022) !== 0) return `${at} can be written by others than its owner: chmod go-w ${at}`;
    if (at === '/') return undefined;
  }
}
