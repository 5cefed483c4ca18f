/**
 * Tells the end of the audit log outside of it, to the journal or syslog: the chain alone cannot show that its end was
 * cut off, or that everything was written anew. What is told is a number, a hash and a path, and nothing else.
 */
import { basename } from 'node:path';
import type { Clock } from '../core/time.ts';
import { checkpointLine } from './audit/checkpoint.ts';
import type { AuditHead, AuditLog } from './audit/log.ts';
import type { RunCommand } from './commands.ts';
import type { HealerLog } from './healer.ts';

export interface CheckpointOptions {
  readonly audit: Pick<AuditLog, 'append' | 'head'>;
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly log: HealerLog;
  readonly stopping: AbortSignal;
}

const everyMs = 300_000;
/** "Nothing happened" is worth telling, too. */
const inQuietEveryMs = 3_600_000;
const logger = '/usr/bin/logger';
const loggerTimeoutMs = 5000;

/** Every five minutes in which something was written, otherwise every hour, until `stopping` aborts. Never rejects. */
export async function tellCheckpoints({ audit, run, clock, log, stopping }: CheckpointOptions): Promise<void> {
  let toldSeq = 0;
  let toldAtMs = clock.monotonicMs();
  let trouble: string | undefined;
  for (;;) {
    await clock.sleep(everyMs, stopping);
    if (stopping.aborted) return;
    const head = audit.head();
    if (!head || (head.seq === toldSeq && clock.monotonicMs() - toldAtMs < inQuietEveryMs)) continue;
    toldSeq = await record(head, audit);
    toldAtMs = clock.monotonicMs();
    const problem = await tell(head, { run, stopping });
    // Once for each reason: it is tried again every time.
    if (problem !== undefined && problem !== trouble) log.warn({ seq: head.seq }, problem);
    trouble = problem;
  }
}

/** The number of the record that says so; where it could not be written it is told outside all the same. */
async function record({ seq, hash, file }: AuditHead, audit: CheckpointOptions['audit']): Promise<number> {
  const appended = await audit.append({
    event: 'audit.checkpoint',
    checkpoint: { file: basename(file), seq, head: hash },
    text: `record ${seq} is told to the journal or syslog, with the hash of its line`,
  });
  return appended.kind === 'appended' ? appended.seq : seq;
}

async function tell(head: AuditHead, { run, stopping }: Pick<CheckpointOptions, 'run' | 'stopping'>): Promise<string | undefined> {
  const argv = [logger, '--socket-errors=on', '--tag=goodgateway', '--priority=daemon.notice', '--', checkpointLine(head, head.file)];
  const told = await run.run(argv, { timeoutMs: loggerTimeoutMs, signal: stopping });
  if (told.exitCode === 0 || stopping.aborted) return undefined;
  const why = told.startError ?? (told.timedOut ? 'it was not finished in time' : told.output);
  return `the end of the audit log could not be told to the journal or syslog (${why}): a cut of it cannot be seen from there. Install logger and a syslog, or say audit.checkpoints: none`;
}
