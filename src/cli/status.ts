import { connect } from 'node:net';
import { join } from 'node:path';
import { Command } from 'commander';
import { z } from 'zod';
import { whyNotTrusted } from '../channel/whose-socket.ts';
import { formatDuration } from '../core/time.ts';
import { findAuditFiles, findIncident } from '../healer/audit/query.ts';
import { collapse } from '../healer/audit/summary.ts';
import { hostOrExplain } from './host-or-explain.ts';
import { tellNow, type IncidentNow } from './incident-now.ts';
import { toAct } from './story-headings.ts';
import { plain, withStop } from './terminal.ts';
import { formatWhen } from './when.ts';

const statusSchema = z.object({
  healing: z.enum(['on', 'off']),
  audit: z.string(),
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
      incident: z
        .object({ id: z.string(), code: z.string(), opened_at: z.string(), symptom: z.string(), cause: z.string().nullable(), sentence: z.string().nullable(), done: z.array(z.string()) })
        .nullable(),
    }),
  ),
});
type Status = z.output<typeof statusSchema>;
type ServiceStatus = Status['services'][number];

const answerWithinMs = 5000;
const longestAnswer = 4 * 1024 * 1024;

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
      const answer = await ask(join(found.host.runtime, 'control.sock'));
      if (typeof answer === 'string') {
        process.stderr.write(`goodgateway: ${answer}\n`);
        process.exitCode = 1;
        return;
      }
      process.stdout.write(options.json ? `${JSON.stringify(answer, undefined, 2)}\n` : describe(answer, await readNow(answer, found.host.audit.folder)));
      if (answer.audit !== 'ok' || answer.services.some((service) => service.incident)) process.exitCode = 1;
    });
}

/** The healer's answer, or a sentence that says why there is none. */
function ask(path: string): Promise<Status | string> {
  const stranger = whyNotTrusted(path);
  if (stranger !== undefined) return Promise.resolve(`nobody is asked: ${stranger}`);
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8').setTimeout(answerWithinMs);
    socket.once('connect', () => socket.write('{"ask":"status"}\n'));
    socket.once('timeout', () => socket.destroy(new Error(`it did not answer within ${formatDuration(answerWithinMs)}`)));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(
        error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
          ? `the healer does not run (nobody listens on ${path}); traffic flows without it`
          : `the healer cannot be asked at ${path}: ${error.message}`,
      ),
    );
    socket.once('close', () => resolve('the healer closed the connection without an answer'));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > longestAnswer) socket.destroy(new Error('its answer is too long'));
      if (!text.endsWith('\n')) return;
      const parsed = statusSchema.safeParse(JSON.parse(text));
      resolve(parsed.success ? parsed.data : "the healer answered in another version's words; is another version running?");
      socket.destroy();
    });
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
    ...(service.gave_up ? [`  given up: ${service.gave_up}`] : []),
    ...describeIncident(service, service.incident ? now.get(service.incident.id) : undefined),
  ]);
  return `healing is ${status.healing}; audit log: ${status.audit}\n${lines.map(plain).join('\n')}\n`;
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
