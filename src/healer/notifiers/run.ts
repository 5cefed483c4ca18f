import { whoMayChange } from '../../config/who-may-change.ts';
import type { RunNotifierConfig } from '../../config/notifier-schema.ts';
import { fieldsOf, type Notifier } from '../notifier.ts';
import { runCommand } from '../run-command.ts';

/** A program of the administrator's, with the message as one line of JSON on its standard input. Exit status 0: sent. */
export const run: Notifier<RunNotifierConfig> = {
  type: 'run',
  async send(message, { command, timeout }, signal) {
    const program = command[0] ?? '';
    // it was looked at when the configuration was read; since then somebody may have been given a right
    const unsafe = await whoMayChange(program);
    if (unsafe !== undefined) return { kind: 'failed', retry: true, detail: `${program} is not run, because ${unsafe}` };
    const { exitCode, signal: by, timedOut, startError, output } = await runCommand.run(command, { timeoutMs: timeout, signal, input: `${JSON.stringify(fieldsOf(message))}\n` });
    if (exitCode === 0) return { kind: 'sent' };
    const last = output.trim().split('\n').at(-1)?.trim().slice(0, 200);
    const how = startError ?? (timedOut ? `${program} was ended, because its time was over` : `${program} ended with ${exitCode ?? by ?? 'a signal'}`);
    return { kind: 'failed', retry: true, detail: last ? `${how}: ${last}` : how };
  },
};
