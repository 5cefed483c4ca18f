/**
 * Signature files: kinds of log lines, what each means, and which causes it speaks for and against. What is shipped in
 * `policies/signatures/` and what an administrator adds is the same language.
 */
import { z } from 'zod';
import { causeNames } from '../core/diagnosis.ts';
import { fieldsOf, parsePattern } from './signature-pattern.ts';
import { oneOrMany, version } from './values.ts';

const sentence = z.string({ error: 'expected a sentence' }).min(1, { error: 'expected a sentence' }).max(1000, { error: 'expected at most 1000 characters' });
const weight = z.int({ error: 'expected a whole number from 1 to 100' }).min(1, { error: 'expected a whole number from 1 to 100' }).max(100, { error: 'expected a whole number from 1 to 100' });
const cause = z.enum(causeNames, { error: 'expected the name of a cause' });

const vote = z.strictObject({
  cause: cause.describe('The cause that the line speaks for.'),
  weight: weight.describe('Of a hundred incidents with this line, so many had this cause. 100: the line itself is the proof, and the cause is certain. From 60 it is likely, below only possible.'),
  subject: z.string().max(200).optional().describe('What is named: the socket, the port, the limit, the script. Default: the subject of the entry.'),
  confirm: sentence.optional().describe('What would confirm or refute this very cause. Default: that of the entry.'),
  remedy: sentence.optional().describe('What helps against this very cause. Default: that of the entry for its first cause, and the general words for the others.'),
});

const range = z.strictObject({
  at_least: z.number().optional().describe('The least number.'),
  below: z.number().optional().describe('A number that is too much already.'),
  contains: z.string().min(1).optional().describe('Text that must stand in the field.'),
});
const bound = z.union([z.number(), z.string(), z.array(z.union([z.number(), z.string()])).min(1), range], {
  error: 'expected a value, a list of values, or { at_least: …, below: …, contains: … }',
});

/** `noise` and `trigger` never vote, `echo` only where nothing else does, `symptom` less as soon as a `sign` says more. */
export const signatureKinds = ['sign', 'symptom', 'echo', 'noise', 'trigger'] as const;

export const signatureSchema = z
  .strictObject({
    id: z
      .string({ error: 'expected a name' })
      .regex(/^[a-z][a-z0-9_]{0,63}(\.[a-z0-9_]{1,64})?$/, { error: 'expected small letters, digits and "_", such as max_children_reached, or family.detail' })
      .describe('Its name: `family` or `family.detail`. An own entry with the name of a shipped one takes its place.'),
    program: z
      .string({ error: 'expected the name of a program' })
      .regex(/^[a-z0-9-]{1,32}$/, { error: 'expected small letters, digits and "-"' })
      .describe('Who writes such lines. Lines of two programs count as independent signs, two lines of one do not.'),
    patterns: oneOrMany(z.string()).describe(
      'How such lines are recognised; any of them is enough. Literals with fields: {name} whatever stands before the next literal, {name:int}, {name:number}, {name:word}. A field at the very beginning is the word before the literal.',
    ),
    where: z.record(z.string(), bound).optional().describe('Which values the fields must have: a value, a list of values, or { at_least, below, contains }.'),
    kind: z
      .enum(signatureKinds, { error: `expected ${signatureKinds.join(', ')}` })
      .default('sign')
      .describe(
        'sign: it says something about the cause; symptom: it says that something is wrong, and little about why; echo: the consequence of an earlier line; noise: harmless, whatever its level; trigger: a change that is named beside the cause.',
      ),
    general: z
      .boolean({ error: 'expected true or false' })
      .default(false)
      .describe('true: the line counts as such only where no other entry knows it. For words that many programs share, such as "Permission denied".'),
    meaning: sentence.describe('What such a line says, in plain words. {name} is replaced by the field, {name|words} by the words where the line has no such field.'),
    for: z.array(vote).default([]).describe('The causes that it speaks for, the most probable first.'),
    against: z
      .array(
        z.strictObject({
          cause: cause.describe('The cause that the line speaks against.'),
          weight: weight.describe('By so many percent less probable it makes the cause; and never certain.'),
        }),
      )
      .default([])
      .describe('The causes that it speaks against, each with a weight.'),
    subject: z.string().max(200).optional().describe('What is named: {socket}, {upstream|the upstream}.'),
    confirm: sentence.optional().describe('What to look at next: what would confirm the cause, and what would refute it.'),
    remedy: sentence.optional().describe('What helps, as one sentence; with the exact command where it needs no other host than this.'),
    avoid: z.array(sentence).default([]).describe('What makes it worse, one sentence each.'),
  })
  .superRefine((entry, context) => {
    const known = new Set<string>(contextFields);
    for (const [i, text] of entry.patterns.entries()) {
      const pattern = parsePattern(text);
      if (typeof pattern === 'string') context.addIssue({ code: 'custom', message: pattern, path: ['patterns', i] });
      else for (const name of fieldsOf(pattern)) known.add(name);
    }
    const missing = (names: readonly string[]) => names.find((name) => !known.has(name));
    for (const name of Object.keys(entry.where ?? {}))
      if (missing([name])) context.addIssue({ code: 'custom', message: `no pattern has a field {${name}}`, path: ['where', name], params: { at: 'key' } });
    for (const key of ['meaning', 'subject', 'confirm', 'remedy'] as const) {
      const wrong = missing(templateFields(entry[key] ?? ''));
      if (wrong !== undefined) context.addIssue({ code: 'custom', message: `no pattern has a field {${wrong}}`, path: [key] });
    }
  });

/** What is read from around a line, whatever its pattern: nginx's own words behind the message. */
export const contextFields = ['upstream', 'protocol', 'family', 'server', 'host', 'path'] as const;

export const signatureFileSchema = z.strictObject({ version: version(), signatures: z.array(signatureSchema, { error: 'expected a list of signatures' }).describe('The kinds of lines.') });

/** One kind of log line, checked. */
export type SignatureEntry = z.output<typeof signatureSchema>;
export type SignatureKind = (typeof signatureKinds)[number];

/** `{a,b|words}`: the names of the fields. */
function templateFields(text: string): readonly string[] {
  return [...text.matchAll(/\{([a-z_,]+)(?:\|[^}]*)?\}/g)].flatMap(([, names = '']) => names.split(','));
}
