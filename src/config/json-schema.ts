import { z } from 'zod';
import { hostSchema } from './host-schema.ts';
import { signatureFileSchema } from './signature-schema.ts';
import { policyListSchema, policySchema } from './policy-schema.ts';

/**
 * JSON Schemas (draft 2020-12) for editors, by file name, made from the schemas that the loader obeys. They describe
 * what is written, not what is read: a duration is text. What needs two places at once, only `check` can tell.
 */
export function jsonSchemas(): Readonly<Record<string, z.core.JSONSchema.BaseSchema>> {
  return {
    'goodgateway.json': describe('goodgateway.yaml', hostSchema, 'inline'),
    'policy.json': describe('A goodgateway recovery policy, or a list of them', z.union([policySchema, policyListSchema]), 'ref'),
    'signatures.json': describe('Kinds of log lines, and what they mean', signatureFileSchema, 'inline'),
  };
}

/** `ref`: parts that occur twice are written once, at the cost of a file that is harder to read. */
function describe(title: string, schema: z.ZodType, reused: 'inline' | 'ref'): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(schema.meta({ title }), { target: 'draft-2020-12', io: 'input', unrepresentable: 'any', reused });
}
