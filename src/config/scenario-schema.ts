/**
 * A scenario: what happens to services, and what is expected of their policies then. For `goodgateway simulate
 * --scenario`; docs/simulate.md shows a whole one.
 */
import { z } from 'zod';
import { actionNames, gateNames } from '../core/decision.ts';
import { causeNames, confidences } from '../core/diagnosis.ts';
import { duration, name, version } from './values.ts';

const result = z.enum(['helps', 'fails'], { error: 'expected helps or fails' });
const action = z.enum(actionNames, { error: 'expected the name of an action' });

const expected = z.union(
  [
    z.literal('nothing').describe('Nothing that touches the service. Waiting and telling people may happen.'),
    z.strictObject({
      do: z
        .union([z.array(action), action.transform((one) => [one])])
        .optional()
        .describe('Exactly these steps, in this order, waiting and telling included.'),
      refused_by: z
        .array(z.enum(gateNames, { error: 'expected the name of a gate' }))
        .min(1, { error: 'expected at least one gate' })
        .optional()
        .describe('Each of these gates refused something.'),
      rule: z.string().optional().describe('The rule that decided first.'),
      gave_up: z.boolean().optional().describe('true: it was given up, and a person is waited for. false: it was not.'),
    }),
  ],
  { error: 'expected nothing, or { do: start }, { refused_by: [cooldown] }, { rule: "…" } or { gave_up: true }' },
);

const event = z
  .strictObject({
    at: duration().describe('Time since the beginning of the scenario. Never before the event above it.'),
    service: name().describe('Whose policy is asked.'),
    cause: z.enum(causeNames, { error: 'expected the name of a cause' }).optional().describe('What is wrong from now on. Opens an incident, or is the new cause of the one that is open.'),
    confidence: z.enum(confidences, { error: 'expected possible, likely or certain' }).default('certain').describe('How sure it is.'),
    state: z
      .enum(['running', 'starting', 'stopping', 'stopped', 'failed', 'frozen', 'unknown'], { error: 'expected running, starting, stopping, stopped, failed, frozen or unknown' })
      .optional()
      .describe('What the service is. Default: what goes with the cause.'),
    action_results: z.array(result).default([]).describe('What comes of the next steps that touch the service, in order; afterwards `assume`.'),
    well: z.literal(true, { error: 'expected true' }).optional().describe('It is well again by itself.'),
    pause: duration().optional().describe('Somebody pauses healing of the service for so long.'),
    changing: z
      .union([z.literal(false), z.string().min(3).max(200)], { error: 'expected who is changing the system, or false' })
      .optional()
      .describe('Somebody changes the system, such as "apt is running"; until an event says false.'),
    expect: expected.optional().describe('What is done from here to the next event of this service, or to the end.'),
  })
  .superRefine((value, context) => {
    const what = [value.cause, value.well, value.pause, value.changing].filter((each) => each !== undefined).length;
    if (what !== 1) context.addIssue({ code: 'custom', message: 'expected one of cause, well, pause or changing: what happens', params: { at: 'key' } });
  });

const scenario = z.strictObject({
  name: z.string().min(3).max(200).describe('A sentence.'),
  begins: z.iso
    .datetime({ error: 'expected a moment in UTC, such as "2026-11-22T03:00:00Z"' })
    .default('2026-01-05T12:00:00Z')
    .describe('When it is 0s: for maintenance windows. Default: noon of a Monday.'),
  assume: result.default('helps').describe('What comes of steps whose result no event tells. Default: they help.'),
  lasts: duration().prefault('1h').describe('How long it goes on after the last event. Default: 1h.'),
  events: z.array(event).min(1, { error: 'expected at least one event' }).describe('In the order of their time.'),
});

/** The file that `goodgateway simulate --scenario` reads. */
export const scenarioFileSchema = z.strictObject({ version: version(), scenarios: z.array(scenario).min(1, { error: 'expected at least one scenario' }).max(1000) });

export type ScenarioConfig = z.output<typeof scenario>;
export type ScenarioEvent = ScenarioConfig['events'][number];
export type Expected = NonNullable<ScenarioEvent['expect']>;
