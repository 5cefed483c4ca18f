/**
 * One healer acts, however many look on: whoever holds the lock file. The others observe and record everything, do
 * nothing, and take over when it is free, which is at the latest when the one that acts has ended. A lock that can be
 * neither taken nor seen keeps from acting, too: two that heal the same undo each other.
 */
import { formatDuration, type Clock } from '../core/time.ts';
import type { AuditLog } from './audit/log.ts';
import type { HealerLog } from './healer.ts';
import type { RunCommand } from './commands.ts';
import { describeHolder, takeLock, type LockResult, type TakenLock } from './lock-file.ts';
import type { Hindrance } from './policy/surroundings.ts';

export interface OneHealerOptions {
  /** The lock file, as it is configured now. */
  readonly lock: () => string;
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly stopping: AbortSignal;
  readonly log: HealerLog;
  readonly audit: Pick<AuditLog, 'append'>;
}

export interface OneHealer {
  /** Who keeps us from acting now; `undefined`: we are the one. Never rejects. */
  readonly other: () => Promise<Hindrance | undefined>;
  /** Gives the lock back; for when nothing is under way any more. */
  close(): void;
}

const tryEveryMs = 3000;

/** Tries to be the one that acts, and goes on trying until `stopping` aborts. Resolves after the first try, never rejects. */
export async function standAsOneHealer(options: OneHealerOptions): Promise<OneHealer> {
  const { clock, stopping } = options;
  let held: (TakenLock & { readonly path: string }) | undefined;
  let hindrance: Hindrance | undefined;
  let trying: Promise<void> | undefined;

  /** One try at a time: a second one would meet the first one's open file. */
  const attempt = (): Promise<void> =>
    (trying ??= (async () => {
      const path = options.lock();
      const result = await takeLock(path, { by: 'goodgateway' }, options.run);
      const before = hindrance;
      held = result.kind === 'taken' ? { ...result, path } : undefined;
      hindrance = result.kind === 'taken' ? undefined : { text: whyNot(result, path) };
      await tell(before, hindrance, { path, ...options });
    })().finally(() => (trying = undefined)));

  const other = async (): Promise<Hindrance | undefined> => {
    const path = options.lock();
    if (held && (held.path !== path || !held.isOurs())) {
      const why = held.path === path ? `${path}, which says who heals here, was removed or replaced` : `${path} says from now on who heals here, not ${held.path}`;
      hindrance = { text: `${why}: it is locked anew, and until then nothing is done` };
      held.release();
      held = undefined;
      options.log.warn({ lock: path }, hindrance.text);
      await attempt();
    }
    return hindrance;
  };

  await attempt();
  void (async () => {
    while (!stopping.aborted) {
      await clock.sleep(tryEveryMs, stopping);
      if (!held && !stopping.aborted) await attempt();
    }
  })();
  return { other, close: () => held?.release() };
}

function whyNot(result: Exclude<LockResult, TakenLock>, lock: string): string {
  if (result.kind === 'held') return `another healer acts: ${describeHolder(result.note)} holds ${lock}; this one looks on`;
  return `whether another healer acts cannot be known (${result.problem}); until it can, this one looks on`;
}

/**
 * For the record it is `agent.started`: from here on this healer acts. Who looks on says so in the log, once for each
 * reason; its refusals say it in the record.
 */
async function tell(before: Hindrance | undefined, now: Hindrance | undefined, { path, log, audit }: Pick<OneHealerOptions, 'log' | 'audit'> & { readonly path: string }): Promise<void> {
  if (before?.text === now?.text) return;
  if (now) return log.warn({ lock: path }, `${now.text}; it tries again every ${formatDuration(tryEveryMs)}`);
  const text = `this healer acts from now on: it holds ${path}. Before: ${before?.text}`;
  log.info({ lock: path }, text);
  await audit.append({ event: 'agent.started', actor: 'auto', text });
}
