import { connect } from 'node:net';
import { join } from 'node:path';
import { Command } from 'commander';
import { z } from 'zod';
import { formatDuration } from '../core/time.ts';
import { hostOrExplain } from './host-or-explain.ts';

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
      gave_up: z.string().nullable(),
      incident: z.object({ id: z.string(), code: z.string(), opened_at: z.string(), symptom: z.string(), cause: z.string().nullable(), sentence: z.string().nullable(), done: z.array(z.string()) }).nullable(),
    }),
  ),
});
type Status = z.output<typeof statusSchema>;

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
      process.stdout.write(options.json ? `${JSON.stringify(answer, undefined, 2)}\n` : describe(answer));
      if (answer.audit !== 'ok' || answer.services.some((service) => service.incident)) process.exitCode = 1;
    });
}

/** The healer's answer, or a sentence that says why there is none. */
function ask(path: string): Promise<Status | string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8').setTimeout(answerWithinMs);
    socket.once('connect', () => socket.write('{"ask":"status"}\n'));
    socket.once('timeout', () => socket.destroy(new Error(`it did not answer within ${formatDuration(answerWithinMs)}`)));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? `the healer does not run (nobody listens on ${path}); traffic flows without it` : `the healer cannot be asked at ${path}: ${error.message}`));
    socket.once('close', () => resolve('the healer closed the connection without an answer'));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > longestAnswer) socket.destroy(new Error('its answer is too long'));
      if (!text.endsWith('\n')) return;
      const parsed = statusSchema.safeParse(JSON.parse(text));
      resolve(parsed.success ? parsed.data : 'the healer answered in another version\'s words; is another version running?');
      socket.destroy();
    });
  });
}

function describe(status: Status): string {
  const lines = status.services.flatMap((service) => [
    `${service.name}: ${service.state} (${service.mode}) ${service.upstream ?? ''}`.trimEnd(),
    `  ${service.text}`,
    `  attempts: ${service.attempts.used} of ${service.attempts.of} within ${formatDuration(service.attempts.within_ms)}`,
    ...(service.gave_up ? [`  given up: ${service.gave_up}`] : []),
    ...(service.incident ? [`  incident ${service.incident.code} since ${service.incident.opened_at}: ${service.incident.sentence ?? service.incident.symptom}`, `  done: ${service.incident.done.join(', ') || 'nothing yet'}; more: goodgateway why ${service.incident.code}`] : ['  no open incident']),
  ]);
  return `healing is ${status.healing}; audit log: ${status.audit}\n${lines.join('\n')}\n`;
}
