import { whyNoAddress } from '../config/notifier-schema.ts';
import type { MonitorConfig } from '../config/monitor-schema.ts';
import type { Clock } from '../core/time.ts';
import type { AuditLog } from './audit/log.ts';
import type { HealerLog } from './healer.ts';
import { readSecret } from './notifiers/read-secret.ts';

export interface PingOptions {
  readonly settings: MonitorConfig;
  readonly audit: Pick<AuditLog, 'failure'>;
  readonly clock: Clock;
  readonly log: HealerLog;
  readonly signal: AbortSignal;
}

const timeoutMs = 10_000;

/**
 * Tells an outside monitor that the healer is alive, at once and then as often as it is to. Silent while the audit log
 * cannot be written: then nothing would be healed, and somebody should know. Until the signal aborts; never rejects.
 */
export async function pingMonitor({ settings, audit, clock, log, signal }: PingOptions): Promise<void> {
  let problem: string | undefined;
  while (!signal.aborted) {
    const now = audit.failure() === undefined ? await ping(settings, signal) : problem;
    if (signal.aborted) return;
    if (now !== undefined && problem === undefined) log.warn({}, `the monitor cannot be told that goodgateway is alive, and may raise the alarm: ${now}`);
    if (now === undefined && problem !== undefined) log.info({}, 'the monitor is told again that goodgateway is alive');
    problem = now;
    await clock.sleep(settings.every, signal);
  }
}

/** Why it was not told. The address may be a secret, so only its host is named. */
async function ping({ ping: written, ping_file: file }: MonitorConfig, signal: AbortSignal): Promise<string | undefined> {
  const read = await readSecret({ file, env: undefined });
  if ('problem' in read) return read.problem;
  const text = written ?? read.secret ?? '';
  const wrong = whyNoAddress(text);
  if (wrong !== undefined) return `${file ?? 'ping'}: ${wrong}`;
  const { host } = new URL(text);
  try {
    const { ok, status, body } = await fetch(text, { redirect: 'manual', signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
    // best effort: nobody reads it
    await body?.cancel().catch(() => undefined);
    return ok ? undefined : `${host} answered ${status}`;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return `${host} cannot be reached (${cause instanceof Error && 'code' in cause ? String(cause.code) : 'no answer in time'})`;
  }
}
