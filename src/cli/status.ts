import { join } from 'node:path';
import { Command } from 'commander';
import { collapse } from '../core/deeds.ts';
import { toAct } from '../core/story-words.ts';
import { formatDuration } from '../core/time.ts';
import { findIncident } from '../healer/audit/find-incident.ts';
import { findAuditFiles } from '../healer/audit/query.ts';
import { Gaps } from './audit-files.ts';
import { askHealer, type NoAnswer } from './ask-healer.ts';
import { hostOrExplain } from './host-or-explain.ts';
import { tellNow, type IncidentNow } from './incident-now.ts';
import { statusSchema, type ServiceStatus, type Status, type Step } from './status-answer.ts';
import { byHand, gatewaySentence, hostRestraints, local, restraintsOf, stepSentence } from './status-words.ts';
import { complain, plain, withStop } from './terminal.ts';
import { watchStatus } from './watch-status.ts';
import { formatWhen } from './when.ts';

const answerWithinMs = 5000;

const helpAfter = `
Of --watch: VISITORS says what visitors get right now (answered; wait: their requests are held; our page; partly: some
are asked to come back; silent: its proxy says nothing). PER S is of the last 10 seconds, FAILED of the last minute,
LEFT are the attempts that its limits leave to the healer. Services in trouble come first; q quits.

Examples:
  goodgateway status
  goodgateway status --watch`;

/**
 * `goodgateway status`: every service now, its open incident, what is left of its limits. Exit 1 when one is in trouble
 * or the healer is away; with `--watch` 0 when somebody quits.
 */
export function statusCommand(): Command {
  return new Command('status')
    .description('every service and its traffic now, its open incident and what is done about it, what is left of its limits')
    .option('--config <file>', 'goodgateway.yaml')
    .option('--json', 'for programs; with --watch one object a line, every second')
    .option('--watch', 'a live view, drawn anew every second; in a pipe one line for each change')
    .addHelpText('after', helpAfter)
    .action(async (options: { config?: string; json?: boolean; watch?: boolean }) => {
      const found = await hostOrExplain(options.config);
      if (!found) return;
      const ask = (signal?: AbortSignal): Promise<Status | NoAnswer> =>
        askHealer(join(found.host.runtime, 'control.sock'), { ask: 'status', ...(signal && { recent: true }) }, { answer: statusSchema, withinMs: answerWithinMs, ...(signal && { signal }) });
      if (options.watch) return watchStatus(ask, { json: options.json === true });
      const answer = await ask();
      if ('noAnswer' in answer) return complain(answer.noAnswer, 1);
      process.stdout.write(options.json ? `${JSON.stringify(answer, undefined, 2)}\n` : describe(answer, await readNow(answer, found.host.audit.folder)));
      if (answer.audit !== 'ok' || answer.services.some((service) => service.incident)) process.exitCode = 1;
    });
}

type Known = IncidentNow & {
  /** From its beginning, and understood: otherwise the log does not know all that was done. */
  readonly isWhole: boolean;
};

/** By incident. Best effort: who may ask the healer may not always read the log, and then status says less. */
async function readNow({ services }: Status, folder: string): Promise<ReadonlyMap<string, Known>> {
  const now = new Map<string, Known>();
  const gaps = new Gaps();
  try {
    const found = await findAuditFiles(folder);
    const files = found.kind === 'found' ? found.files.map(gaps.in) : [];
    for (const { incident } of services) {
      const story = incident && (await findIncident(files, incident.id));
      if (story) now.set(story.id, { ...tellNow(story.records, Date.now()), isWhole: story.records[0]?.event === 'incident.opened' && story.notUnderstood === 0 });
    }
  } catch {
    // best effort: see above
  }
  gaps.tell();
  return now;
}

function describe(status: Status, now: ReadonlyMap<string, Known>): string {
  const { gateways } = status;
  const lines = status.services.flatMap((service) => [
    `${service.name}: ${service.state} (${service.mode}) ${service.upstream ?? ''}`.trimEnd(),
    `  ${service.text}`,
    `  attempts: ${service.attempts.used} of ${service.attempts.of} within ${formatDuration(service.attempts.within_ms)}`,
    ...service.quarantined.map(({ request, code, until }) => `  not sent until ${formatWhen(Date.parse(until))}: ${request}, which ended its workers; more: goodgateway why ${code}`),
    ...restraintsOf(service, ` ${service.name}`).map((text) => `  ${text}`),
    ...gateways.filter((gateway) => gateway.service === service.name).map((gateway) => `  ${gatewaySentence(gateway)}`),
    ...[byHand(service) ?? []].flat().map((text) => `  ${text}`),
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

function describeHost(status: Status): readonly string[] {
  const { budget } = status;
  const use = budget && `${budget.disruptive.used} of ${budget.disruptive.of} disruptive actions and ${budget.starts.used} of ${budget.starts.of} starts`;
  return [...hostRestraints(status), ...(budget ? [`used on this host within ${formatDuration(budget.within_ms)}: ${use}`] : [])];
}

function describeIncident({ incident, gave_up: gaveUp }: ServiceStatus, now: Known | undefined): readonly string[] {
  if (!incident) return ['  no open incident'];
  const { refused, told = false, next } = now ?? {};
  // The healer's list holds what was tried; the log knows what failed.
  const deeds = now?.isWhole ? now.done : collapse(incident.done).join(', ');
  const done = [deeds, told ? 'told somebody' : undefined].filter(Boolean).join(', ');
  return [
    `  incident ${incident.code} since ${incident.opened_at}: ${incident.sentence ?? incident.symptom}`,
    ...(incident.step && isTold(incident.step) ? [`  now: ${stepSentence(incident.step, Date.now())}`] : []),
    `  done: ${done || 'nothing yet'}; more: goodgateway why ${incident.code}`,
    ...(refused ? [`  refused: to ${toAct(refused.action)}${refused.untilMs === undefined ? '' : ` until ${formatWhen(refused.untilMs)}`} (${refused.because})`] : []),
    ...(gaveUp ? [`  next: ${withStop(next ?? 'a person must repair it')} goodgateway sees by itself when it is well again.`] : []),
  ];
}

/** What waits for somebody, or for a time, is said in other lines. */
function isTold({ doing }: Step): boolean {
  return doing === 'looking' || doing === 'acting' || doing === 'waiting' || doing === 'telling' || doing === 'verifying';
}
