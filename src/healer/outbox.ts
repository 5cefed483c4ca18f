/** Everybody who can be told, each with a courier of its own: a receiver that is dead delays no other one, and no repair. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostConfig } from '../config/host-schema.ts';
import type { NotifierConfig } from '../config/notifier-schema.ts';
import type { Clock } from '../core/time.ts';
import type { AuditLog } from './audit/log.ts';
import { startCourier, type Courier } from './courier.ts';
import type { HealerLog } from './healer.ts';
import type { Message, Receivers, SendOutcome } from './notifier.ts';
import * as registered from './notifiers/registry.ts';
import { openSpool } from './spool.ts';

export interface Outbox extends Receivers {
  /** The configuration was read again: from now on these are told, each as it says now. */
  adopt(notifiers: HostConfig['notifiers']): Promise<void>;
  close(): Promise<void>;
}

export interface OutboxOptions {
  /** Of the healer's state; the spools are in `spool` below it, one folder for each receiver. */
  readonly folder: string;
  readonly notifiers: HostConfig['notifiers'];
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly log: HealerLog;
  readonly random?: () => number;
}

/** Opens the spools and goes on with what waits in them. Never rejects. */
export async function openOutbox(options: OutboxOptions): Promise<Outbox> {
  const spools = join(options.folder, 'spool');
  const couriers = new Map<string, Courier>();
  let notifiers: HostConfig['notifiers'] = {};

  async function adopt(next: HostConfig['notifiers']): Promise<void> {
    notifiers = next;
    const names = Object.keys(next).filter((name) => next[name]?.type !== 'log');
    for (const [name, courier] of couriers) {
      if (names.includes(name)) continue;
      couriers.delete(name);
      await courier.close();
    }
    await forgetOthers(spools, names, options);
    for (const name of names) if (!couriers.has(name)) couriers.set(name, await start(name));
  }

  async function start(name: string): Promise<Courier> {
    const { clock, log, audit, random = Math.random } = options;
    const settings = (): NotifierConfig => notifiers[name] ?? { type: 'log' };
    return startCourier({
      name,
      send: (message, signal) => sendBy(settings(), message, signal),
      timeoutMs: () => timeoutOf(settings()),
      spool: await openSpool(join(spools, name)),
      clock,
      log,
      random,
      onLost: async (message, why) => {
        const about = { ...(message.incident === undefined ? {} : { incident: message.incident }), ...(message.service === undefined ? {} : { service: message.service }) };
        await audit.append({ event: 'notification.failed', actor: 'auto', ...about, text: `${name} was not told (${why}): ${message.lines[0]}` });
      },
    });
  }

  await adopt(options.notifiers);
  return {
    adopt,
    post: async (message, to) => void (await Promise.all([...new Set(to)].map((name) => couriers.get(name)?.post(message)))),
    waiting: () => [...couriers].map(([name, courier]) => ({ name, ...courier.status() })).filter(({ waiting }) => waiting > 0),
    close: async () => void (await Promise.all([...couriers.values()].map((courier) => courier.close()))),
  };
}

/** One try, by the way that these settings name. Never rejects. */
export async function sendBy(settings: NotifierConfig, message: Message, signal: AbortSignal): Promise<SendOutcome> {
  switch (settings.type) {
    case 'log':
      return { kind: 'sent' };
    case 'webhook':
      return registered.webhook.send(message, settings, signal);
    case 'email':
      return registered.email.send(message, settings, signal);
    case 'run':
      return registered.run.send(message, settings, signal);
  }
}

/** How long one try of it may take. */
export function timeoutOf(settings: NotifierConfig): number {
  return settings.type === 'log' ? 1000 : settings.timeout;
}

/** Whoever is no receiver any more gets nothing any more; that something waited for it is said. */
async function forgetOthers(spools: string, names: readonly string[], { log, audit }: OutboxOptions): Promise<void> {
  const folders = await readdir(spools).catch(() => []);
  for (const name of folders.filter((folder) => !names.includes(folder))) {
    const { found } = await openSpool(join(spools, name));
    await rm(join(spools, name), { recursive: true, force: true }).catch(() => undefined);
    if (found.length === 0) continue;
    const text = `${found.length} ${found.length === 1 ? 'message' : 'messages'} to ${name}, which is no notifier any more, ${found.length === 1 ? 'is' : 'are'} dropped; the last: ${found.at(-1)?.message.lines[0]}`;
    log.error({ notifier: name }, text);
    await audit.append({ event: 'notification.failed', actor: 'auto', text });
  }
}
