import { hostname } from 'node:os';
import { Command } from 'commander';
import { checkNotifiers } from '../config/check-notifiers.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import type { HostConfig } from '../config/host-schema.ts';
import { formatProblem } from '../config/problem.ts';
import { readConfigFile } from '../config/read-config-file.ts';
import { ulid } from '../core/ids.ts';
import { formatDuration } from '../core/time.ts';
import type { Message } from '../healer/notifier.ts';
import { sendBy, timeoutOf } from '../healer/outbox.ts';
import { hostOrExplain } from './host-or-explain.ts';
import { complain, plain, printLine } from './terminal.ts';

/** `goodgateway notify --test [NAME]`: one test message now, and what came of it. Exit 1 when a receiver did not take it. Needs no healer. */
export function notifyCommand(): Command {
  return new Command('notify')
    .description('send a test message to those who are told, and say what came back')
    .requiredOption('--test [name]', 'a name under `notifiers:`; without a name all of them')
    .option('--config <file>', 'goodgateway.yaml')
    .addHelpText('after', '\nExample:\n  goodgateway notify --test ops\n\nSecrets are read as the user that runs this command, and from its environment.')
    .action(async (options: { test: string | true; config?: string }) => {
      const found = await hostOrExplain(options.config);
      if (!found || !(await areSafe(found.file))) return;
      const { notifiers } = found.host;
      const names = options.test === true ? Object.keys(notifiers) : [options.test];
      for (const name of names) await test(name, notifiers);
    });
}

/** As the healer would refuse them. */
async function areSafe(file: string): Promise<boolean> {
  const [document] = (await readConfigFile(file)).documents;
  const problems = document ? await checkNotifiers(document) : [];
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`);
  if (problems.length > 0) process.exitCode = 2;
  return problems.length === 0;
}

async function test(name: string, notifiers: HostConfig['notifiers']): Promise<void> {
  const settings = notifiers[name] ?? (name === 'ops' ? { type: 'log' as const } : undefined);
  if (!settings) {
    const names = ['ops', ...Object.keys(notifiers)];
    const meant = didYouMean(name, names);
    return complain(`no notifier has the name "${plain(name)}"${meant === undefined ? `; there are ${[...new Set(names)].join(', ')}` : `: did you mean ${meant}?`}`, 2);
  }
  if (settings.type === 'log') return printLine(`${name}: the healer's log, which has every message; nothing to send`);
  const began = performance.now();
  const outcome = await sendBy(settings, testMessage(name), AbortSignal.timeout(timeoutOf(settings)));
  if (outcome.kind === 'failed') return complain(`${name} was not told: ${plain(outcome.detail)}`, 1);
  await printLine(`${name}: taken after ${formatDuration(performance.now() - began)}${outcome.detail === undefined ? '' : `, but ${plain(outcome.detail)}`}`);
}

function testMessage(name: string): Message {
  const now = Date.now();
  const host = hostname();
  const lines = [`goodgateway on ${host}: a test of the notifier ${name}`, 'Why: somebody ran goodgateway notify --test.', 'Now: nothing is wrong, and nothing is asked of you.'];
  return { id: ulid(now), at: new Date(now).toISOString(), host, event: 'notifier.test', severity: 'info', lines };
}
