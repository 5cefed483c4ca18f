import { join } from 'node:path';
import { Command } from 'commander';
import { z } from 'zod';
import { collapse } from '../core/deeds.ts';
import { toAct } from '../core/story-words.ts';
import { formatDuration } from '../core/time.ts';
import { findIncident } from '../healer/audit/find-incident.ts';
import { findAuditFiles } from '../healer/audit/query.ts';
import { askHealer } from './ask-healer.ts';
import { hostOrExplain } from './host-or-explain.ts';
import { tellNow, type IncidentNow } from './incident-now.ts';
import { complain, plain, withStop } from './terminal.ts';
import { formatWhen } from './when.ts';

const offSchema = z.object({ since: z.string(), by: z.string(), reason: z.string() }).nullable().default(null);
const pausedSchema = z.object({ until: z.string(), reason: z.string() }).nullable().default(null);
const useSchema = z.object({ used: z.number(), of: z.number() });

/** The healer's answer to `status`. */
export const statusSchema = z.object({
  healing: z.enum(['on', 'off']),
  audit: z.string(),
  off: offSchema,
  paused: pausedSchema,
  breaker: z.object({ since: z.string(), reason: z.string(), tried: z.boolean() }).nullable().default(null),
  budget: z.object({ disruptive: useSchema, starts: useSchema, within_ms: z.number() }).optional(),
  services: z.array(
    z.object({
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
      incident: z
        .object({ id: z.string(), code: z.string(), opened_at: z.string(), symptom: z.string(), cause: z.string().nullable(), sentence: z.string().nullable(), done: z.array(z.string()) })
        .nullable(),
    }),
  ),
});
export type Status = z.output<typeof statusSchema>;
type ServiceStatus = Status['services'][number];

const answerWithinMs = 5000;

/** `goodgateway status`: every service now, its open incident, what is left of its limits. Exit 1 when one is in trouble or the healer is away. */
export function statusCommand(): Command {
  return new Command('status')
    .description('every service now, its open incident, what is left of its limits')
    .option('--config <file>', 'goodgateway.yaml')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample:\n  goodgateway status')
    .action(async (options: { config?: string; json?: boolean }) => {
      const found = await hostOrExplain(options.config);
      if (!found) return;
      const answer = await askHealer(join(found.host.runtime, 'control.sock'), { ask: 'status' }, { answer: statusSchema, withinMs: answerWithinMs });
      if ('noAnswer' in answer) return complain(answer.noAnswer, 1);
      process.stdout.write(options.json ? `${JSON.stringify(answer, undefined, 2)}\n` : describe(answer, await readNow(answer, found.host.audit.folder)));
      if (answer.audit !== 'ok' || answer.services.some((service) => service.incident)) process.exitCode = 1;
    });
}

/** By incident. Best effort: who may ask the healer may not always read the log, and then status says less. */
async function readNow({ services }: Status, folder: string): Promise<ReadonlyMap<string, IncidentNow>> {
  const now = new Map<string, IncidentNow>();
  try {
    const found = await findAuditFiles(folder);
    for (const { incident } of found.kind === 'found' ? services : []) {
      const story = incident && found.kind === 'found' ? await findIncident(found.files, incident.id) : undefined;
      if (story) now.set(story.id, tellNow(story.records, Date.now()));
    }
  } catch {
    // best effort: see above
  }
  return now;
}

function describe(status: Status, now: ReadonlyMap<string, IncidentNow>): string {
  const lines = status.services.flatMap((service) => [
    `${service.name}: ${service.state} (${service.mode}) ${service.upstream ?? ''}`.trimEnd(),
    `  ${service.text}`,
    `  attempts: ${service.attempts.used} of ${service.attempts.of} within ${formatDuration(service.attempts.within_ms)}`,
    ...service.quarantined.map(({ request, code, until }) => `  not sent until ${formatWhen(Date.parse(until))}: ${request}, which ended its workers; more: goodgateway why ${code}`),
    ...restraintsOf(service, '  ', ` ${service.name}`),
    ...service.questions.map(
      ({ code, action, rule, until }) => `  waits for a person: ${action} by the rule "${rule}", until ${local(until)}: goodgateway approve ${code} (or: goodgateway deny ${code})`,
    ),
    ...(service.gave_up
      ? [
          `  given up: ${service.gave_up}`,
          `  waiting for a human${service.gave_up_since ? ` since ${local(service.gave_up_since)}` : ''}; to let goodgateway try again: goodgateway ack ${service.name}`,
        ]
      : []),
    ...describeIncident(service, service.incident ? now.get(service.incident.id) : undefined),
  ]);
  return `${[`healing is ${status.healing}; audit log: ${status.audit}`, ...describeHost(status), ...lines].map(plain).join('\n')}\n`;
}

function describeHost({ off, paused, breaker, budget }: Status): readonly string[] {
  const use = budget && `${budget.disruptive.used} of ${budget.disruptive.of} disruptive actions and ${budget.starts.used} of ${budget.starts.of} starts`;
  return [
    ...restraintsOf({ off, paused }, '', ''),
    ...(breaker ? [`the circuit breaker is open since ${local(breaker.since)}: ${breaker.reason}; to close it: goodgateway on`] : []),
    ...(budget ? [`used on this host within ${formatDuration(budget.within_ms)}: ${use}`] : []),
  ];
}

function restraintsOf({ off, paused }: Pick<Status, 'off' | 'paused'>, indent: string, word: string): readonly string[] {
  return [
    ...(off ? [`${indent}healing was switched off ${local(off.since)} by ${off.by}: ${off.reason}; to switch it on: goodgateway on${word}`] : []),
    ...(paused ? [`${indent}healing is paused until ${local(paused.until)}: ${paused.reason}; to end the pause: goodgateway resume${word}`] : []),
  ];
}

function local(iso: string): string {
  return formatWhen(Date.parse(iso));
}

function describeIncident({ incident, gave_up: gaveUp }: ServiceStatus, now: IncidentNow | undefined): readonly string[] {
  if (!incident) return ['  no open incident'];
  const { refused, told = false, next } = now ?? {};
  // The healer's list holds what was tried; the log knows what failed.
  const deeds = now ? now.done : collapse(incident.done).join(', ');
  const done = [deeds, told ? 'told somebody' : undefined].filter(Boolean).join(', ');
  return [
    `  incident ${incident.code} since ${incident.opened_at}: ${incident.sentence ?? incident.symptom}`,
    `  done: ${done || 'nothing yet'}; more: goodgateway why ${incident.code}`,
    ...(refused ? [`  refused: to ${toAct(refused.action)}${refused.untilMs === undefined ? '' : ` until ${formatWhen(refused.untilMs)}`} (${refused.because})`] : []),
    ...(gaveUp ? [`  next: ${withStop(next ?? 'a person must repair it')} goodgateway sees by itself when it is well again.`] : []),
  ];
}
