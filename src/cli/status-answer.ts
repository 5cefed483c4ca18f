/** The healer's answer to `status`, as far as people and their programs are shown it. What an older healer does not say has its default. */
import { z } from 'zod';

const offSchema = z.object({ since: z.string(), by: z.string(), reason: z.string() }).nullable().default(null);
const pausedSchema = z.object({ until: z.string(), reason: z.string() }).nullable().default(null);
const useSchema = z.object({ used: z.number(), of: z.number() });
const numberOrSilence = z.number().nullable();

const stepSchema = z.object({
  doing: z.enum(['looking', 'acting', 'waiting', 'telling', 'verifying', 'asking', 'held_back', 'observing', 'given_up']),
  text: z.string(),
  since: z.string(),
  until: z.string().nullable(),
});

const serviceSchema = z.object({
  name: z.string(),
  mode: z.string(),
  state: z.string(),
  text: z.string(),
  upstream: z.string().nullable(),
  attempts: z.object({ used: z.number(), of: z.number(), within_ms: z.number() }),
  quarantined: z.array(z.object({ request: z.string(), code: z.string(), until: z.string() })).default([]),
  gave_up: z.string().nullable(),
  gave_up_since: z.string().nullable().default(null),
  off: offSchema,
  paused: pausedSchema,
  questions: z.array(z.object({ code: z.string(), action: z.string(), rule: z.string(), until: z.string() })).default([]),
  under_way: z.string().nullable().default(null),
  incident: z
    .object({
      id: z.string(),
      code: z.string(),
      opened_at: z.string(),
      symptom: z.string(),
      cause: z.string().nullable(),
      sentence: z.string().nullable(),
      step: stepSchema.optional(),
      done: z.array(z.string()),
    })
    .nullable(),
});

const gatewaySchema = z.object({
  name: z.string(),
  service: z.string(),
  gate: z.string().nullable(),
  visitors: z.enum(['answers', 'answers_or_page', 'waits', 'page']).nullable(),
  in_flight: numberOrSilence,
  held: numberOrSilence,
  per_second: numberOrSilence,
  failed_last_minute: z.number(),
  failed_by_kind: z.record(z.string(), z.number()),
  heard_ms_ago: numberOrSilence,
});

const untoldSchema = z.object({ notifier: z.string(), waiting: z.number(), since: z.string().optional(), problem: z.string().optional() });

export const statusSchema = z.object({
  healing: z.enum(['on', 'off']),
  audit: z.string(),
  off: offSchema,
  paused: pausedSchema,
  breaker: z.object({ since: z.string(), reason: z.string(), tried: z.boolean() }).nullable().default(null),
  budget: z.object({ disruptive: useSchema, starts: useSchema, within_ms: z.number() }).optional(),
  untold: z.array(untoldSchema).default([]),
  services: z.array(serviceSchema),
  gateways: z.array(gatewaySchema).default([]),
});

export type Status = z.output<typeof statusSchema>;
export type ServiceStatus = z.output<typeof serviceSchema>;
export type GatewayStatus = z.output<typeof gatewaySchema>;
export type Step = z.output<typeof stepSchema>;
