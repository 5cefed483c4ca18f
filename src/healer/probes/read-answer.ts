import { formatAddress } from '../../core/failure.ts';
import { httpProbe, type HttpProbeResult } from '../../upstream/probe.ts';
import type { ProbeContext } from '../leaves.ts';
import { listenersAt } from '../socket-tables.ts';
import { oncePerLook, socketsOf } from './read-once.ts';
import { queueOf } from './read-sockets.ts';

/** A healthy application may well take a second for its front page; visitors wait longer than three for nobody. */
const timeoutMs = 3000;

/**
 * What one GET / at the upstream in use gives, as its gateway would ask; once a look. `undefined`: it was not asked,
 * because connections wait there already, and one more would only lengthen the queue. It goes on when the first probe
 * that asked is out of time: it is bounded by itself.
 */
export const answerOf: (context: ProbeContext) => Promise<HttpProbeResult | undefined> = oncePerLook(async (context) => {
  const { target } = context;
  const address = target.upstreams[target.current]!;
  const host = address.kind === 'tcp' ? formatAddress(address) : 'localhost';
  const { tables, listeners } = socketsOf(context);
  const queue = listenersAt([address], listeners).reduce((sum, listener) => sum + queueOf(listener, tables), 0);
  if (queue > 0) return undefined;
  return httpProbe(address, { path: '/', host, timeoutMs, tls: target.tls?.get(formatAddress(address)) });
});
