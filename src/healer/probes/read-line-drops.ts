/** What a network interface of this host had to throw away for want of room in its queue, on the way to an address. */
import { isIP } from 'node:net';
import type { Address } from '../../core/failure.ts';
import type { ProbeContext } from '../leaves.ts';
import { findTool } from './read-tools.ts';

const toolMs = 300;
const outputBytes = 64 * 1024;
/** Two looks so far apart. */
const sampleMs = 200;

/** Packets of one queue of the interface, during the sample. */
export interface LineDrops {
  readonly device: string;
  readonly sent: number;
  readonly dropped: number;
  readonly elapsedMs: number;
}

interface Queue {
  readonly sent: number;
  readonly dropped: number;
}

/**
 * The queue that dropped most; `undefined` where none did, the host is a name or a socket, or the tools are not here. Takes
 * {@link sampleMs} where something was dropped since the boot, else nearly nothing.
 */
export async function readLineDrops(address: Address, { run, clock }: ProbeContext, signal: AbortSignal): Promise<LineDrops | undefined> {
  const [ip, tc] = [findTool('ip'), findTool('tc')];
  if (address.kind !== 'tcp' || isIP(address.host) === 0 || !ip || !tc) return undefined;
  const options = { timeoutMs: toolMs, signal, outputBytes };
  const device = / dev ([\w.@-]{1,15}) /.exec((await run.run([ip, '-o', 'route', 'get', address.host], options)).output)?.[1];
  if (device === undefined) return undefined;
  const read = async (): Promise<readonly Queue[]> => queuesIn((await run.run([tc, '-s', 'qdisc', 'show', 'dev', device], options)).output);
  const before = await read();
  if (before.every(({ dropped }) => dropped === 0)) return undefined;
  const fromMs = clock.monotonicMs();
  await clock.sleep(sampleMs, signal);
  const after = await read();
  const elapsedMs = Math.max(1, clock.monotonicMs() - fromMs);
  if (after.length !== before.length) return undefined;
  const changes = after.map(({ sent, dropped }, index) => ({ sent: sent - before[index]!.sent, dropped: dropped - before[index]!.dropped }));
  // an outer queue counts what an inner one drops, and comes first
  const worst = changes.reduce((most, change) => (change.dropped >= most.dropped ? change : most), { sent: 0, dropped: 0 });
  return worst.dropped > 0 ? { device, ...worst, elapsedMs } : undefined;
}

/** ` Sent 4 bytes 1 pkt (dropped 0, overlimits 0 requeues 0)`, one for each queue. */
function queuesIn(output: string): readonly Queue[] {
  return [...output.matchAll(/^ *Sent \d+ bytes (\d+) pkt \(dropped (\d+),/gm)].map(([, sent, dropped]) => ({ sent: Number(sent), dropped: Number(dropped) }));
}
