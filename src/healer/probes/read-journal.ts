import type { ServiceTarget } from '../leaves.ts';
import type { CommandResult, RunCommand } from '../commands.ts';

const oneLookMs = 1000;

/** The last 200 lines that a systemd unit has written to the journal since then (wall time); `undefined` for other services. */
export async function readJournal({ config }: ServiceTarget, sinceMs: number, { run, signal }: { readonly run: RunCommand; readonly signal: AbortSignal }): Promise<CommandResult | undefined> {
  if (config.type !== 'systemd') return undefined;
  const argv = ['/usr/bin/journalctl', '--unit', config.unit, '--since', `@${Math.floor(sinceMs / 1000)}`, '--lines', '200', '--output', 'cat', '--no-pager', '--quiet'];
  return run.run(argv, { timeoutMs: oneLookMs, signal });
}
