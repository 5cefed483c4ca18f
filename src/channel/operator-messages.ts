/**
 * What an operator may ask the healer for, one request a connection. Names only: the healer looks up in its own
 * configuration what they stand for. Who may open the control socket may ask; `by` is what the caller says of itself.
 */
import { z } from 'zod';
import { actionNames } from '../core/decision.ts';
import { causeNames, confidences } from '../core/diagnosis.ts';

const service = z.string().min(1, { error: 'expected the name of a service' }).max(64, { error: 'expected the name of a service, at most 64 characters' });
const reason = z.string().trim().min(3, { error: 'expected a few words, at least 3 characters' }).max(300, { error: 'expected at most 300 characters' });
const codeExpected = 'expected the code of a question, such as 7K3FQ2';
/** More than any code has: blanks and dashes in it do not matter. */
const code = z.string().min(1, { error: codeExpected }).max(32, { error: codeExpected });
/** `maria (uid 1000, pts/0)`: claimed, and recorded as such. */
const by = z.string().min(1).max(200);
/** Without a service: the whole host. */
const someService = service.optional();

export const operatorRequestSchema = z.discriminatedUnion('ask', [
  z.strictObject({ ask: z.literal('status'), /** Asked every second: what the watch saw a moment ago will do, so that it costs no program more. */ recent: z.boolean().optional() }),
  z.strictObject({ ask: z.literal('pause'), service: someService, forMs: z.int().min(1000).max(86_400_000), reason, by }),
  z.strictObject({ ask: z.literal('resume'), service: someService, by }),
  z.strictObject({ ask: z.literal('off'), service: someService, reason, by }),
  z.strictObject({ ask: z.literal('on'), service: someService, by }),
  z.strictObject({ ask: z.literal('ack'), service, by }),
  z.strictObject({ ask: z.literal('do'), service, action: z.enum(actionNames), reason, /** Also into a configuration that fails its own test. */ force: z.boolean(), by }),
  z.strictObject({ ask: z.literal('approve'), code, by }),
  z.strictObject({ ask: z.literal('deny'), code, by }),
  /** Which rule, which steps, which gates right now, if this were the cause. */
  z.strictObject({ ask: z.literal('simulate'), service, cause: z.enum(causeNames), confidence: z.enum(confidences) }),
]);
export type OperatorRequest = z.output<typeof operatorRequestSchema>;

/** The answer to everything but `status` and `simulate`, whose own shapes are theirs. */
export const operatorAnswerSchema = z.object({ ok: z.boolean(), text: z.string() });
export type OperatorAnswer = z.output<typeof operatorAnswerSchema>;
