import { parse } from 'yaml';
import { z } from 'zod';
import { fillPolicy } from './fill-policy.ts';

/** What the start of a service that died by itself is for, also where its workers outlived it and must end first. */
const crashes: readonly string[] = ['service.crashed', 'service.orphaned_workers'];
/** Steps that nobody has to be asked for: they do not touch the service. */
const harmless: readonly string[] = ['wait', 'wait_for', 'page', 'notify'];

const rulesOf = z.object({
  rules: z.array(z.object({ when: z.object({ cause: z.union([z.string(), z.array(z.string())]) }), try: z.array(z.object({ do: z.string() })) })),
});

/**
 * A ready policy that acts by itself for one thing, the start of a crashed service. The language has one `mode` for a
 * policy, so every other step that touches the service asks a person first, and is skipped without an answer.
 */
export function actOnCrash(text: string): string {
  const { rules } = rulesOf.parse(parse(text));
  const asking = rules.flatMap(({ when, try: steps }, rule) => {
    if ([when.cause].flat().every((cause) => crashes.includes(cause))) return [];
    const asked = steps.map(({ do: action }, step) => ({ action, path: ['rules', String(rule), 'try', String(step), 'approval'] }));
    return asked.filter(({ action }) => !harmless.includes(action)).map(({ path }) => ({ path, value: { within: '15m', otherwise: 'skip' } }));
  });
  return fillPolicy(text, [{ path: ['mode'], value: 'act' }, ...asking]);
}
