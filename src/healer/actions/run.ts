import { realpathSync } from 'node:fs';
import { z } from 'zod';
import { fillPlaceholders, refusedWord } from '../../config/program-words.ts';
import { absolutePath, command } from '../../config/values.ts';
import type { Action, ActionContext } from '../leaves.ts';
import { runContained } from '../run-contained.ts';
import { userIds } from '../user-ids.ts';
import { whyUnsafe } from './read-program-owners.ts';

const options = z
  .strictObject({
    command: command().describe('A program by its absolute path, with its arguments. Nothing from a request can become one of them. A whole argument may be {service}, {unit}, {incident} or {cause}.'),
    user: z.string().min(1).optional().describe('User that it runs as. Default: the user that runs the healer.'),
    folder: absolutePath().optional().describe('Working folder. Default: /.'),
    reach: z
      .enum(['worker', 'pool', 'service', 'host'], { error: 'expected worker, pool, service or host' })
      .default('service')
      .describe('How much it can disturb: worker, pool, service or host. host needs a cause that is certain.'),
    disruptive: z.boolean().default(true).describe('false: it drops no request and stops nothing, so it costs nothing of the budget of the host. It is an attempt in any case.'),
  })
  .superRefine(({ command: argv, user }, context) => {
    const refused = refusedWord(argv) ?? refusedWord([behindLinks(argv[0] ?? ''), ...argv.slice(1)]);
    if (refused) context.addIssue({ code: 'custom', message: refused.message, path: ['command', refused.index] });
    const unsafe = refused?.index === 0 ? undefined : whyUnsafe(argv[0] ?? '');
    if (unsafe !== undefined) context.addIssue({ code: 'custom', message: unsafe, path: ['command', 0] });
    if (user !== undefined && !userIds(user)) context.addIssue({ code: 'custom', message: `there is no user ${user} in /etc/passwd`, path: ['user'] });
  });
type Options = z.output<typeof options>;

/**
 * Runs a program that the policy names, and ends it with everything that it started when its time is over. Who could
 * change the program could act as us, so it is checked at load and again before each run.
 */
export const run: Action<Options> = {
  name: 'run',
  reach: 'service',
  reversible: false,
  needs: 'likely',
  counts: true,
  budget: 'disruptive',
  evidence: 'before',
  configTest: false,
  options,
  limitsFor: ({ reach, disruptive }) => ({ reach, budget: disruptive ? 'disruptive' : 'none' }),
  async perform(context, { command: words, user, folder }) {
    const filled = fillPlaceholders(words, valuesOf(context));
    if ('missing' in filled) return { result: 'failed', detail: `${filled.missing} stands for nothing here: ${context.target.name} is of type ${context.target.config.type}`, durationMs: 0 };
    const { argv } = filled;
    const unsafe = whyUnsafe(argv[0] ?? '');
    if (unsafe !== undefined) return { result: 'failed', detail: unsafe, argv, durationMs: 0 };
    return runContained(argv, { ...context, ...(user === undefined ? {} : { user }), ...(folder === undefined ? {} : { folder }) });
  },
};

function valuesOf({ target: { name, config }, incident, suspect }: ActionContext): Parameters<typeof fillPlaceholders>[1] {
  return { '{service}': name, '{unit}': config.type === 'systemd' ? config.unit : undefined, '{incident}': incident, '{cause}': suspect.cause };
}

/** A link to a shell is one, whatever its name. */
function behindLinks(program: string): string {
  try {
    return realpathSync(program);
  } catch {
    // It does not exist, which is said by itself.
    return program;
  }
}
