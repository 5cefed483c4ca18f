/** The kernel's queue in front of the service is full. Busy is not broken: who waits in the gateway is served in turn. */
import type { Cause } from '../leaves.ts';
import { currentAddress, currentListener, factOf, isAlive, sentences } from './read-case.ts';

/**
 * Likely when a connect of our own is refused for it, or the queue is as long as it may be; possible when only a
 * request met it and there is room again. Never certain: a service that hangs has a full backlog, too.
 */
export const capacityBacklogFull: Cause = {
  name: 'capacity.backlog_full',
  suspect(file) {
    if (!isAlive(file)) return undefined;
    const connect = factOf(file, 'connect');
    const listener = currentListener(file);
    const [queue, backlog] = [listener?.number('queue') ?? 0, listener?.number('backlog')];
    const refused = connect?.word('errno') === 'EAGAIN';
    const full = backlog !== undefined && queue >= backlog;
    if (!refused && !full && file.symptom.errno !== 'EAGAIN') return undefined;
    const now = refused || full;
    return {
      cause: 'capacity.backlog_full',
      confidence: now ? 'likely' : 'possible',
      subject: backlog === undefined ? currentAddress(file) : `listen backlog = ${backlog}`,
      sentence: now ? `${file.target.name} accepts more slowly than connections come: its backlog is full.` : `The backlog of ${file.target.name} was full for a moment, and has room again.`,
      because: sentences(refused && connect, full && listener, file.symptom.errno === 'EAGAIN' && file.symptom.text),
      against: sentences(!now && connect?.word('result') === 'connected' && connect),
      remedy: `Let the requests wait; find what is slow, or raise the backlog (php-fpm: listen.backlog; the kernel's net.core.somaxconn bounds it). Do not restart.`,
    };
  },
};
