/** What lies between drops connections for want of room: the packet filter's table of connections, or the line itself. */
import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, logLine, sentences } from './read-case.ts';

/** The kernel drops at the very maximum; between two looks some entries end. */
const full = 0.98;

/**
 * Certain when the table is full and the kernel's log says that it drops packets for it; likely when one of the two is
 * seen while connects get no answer, or when a full line throws packets away meanwhile; possible when the kernel only said
 * so of its table, and there is room again.
 */
export const loadNetwork: Cause = {
  name: 'load.network',
  suspect(file) {
    const table = factOf(file, 'conntrack');
    const isFull = table !== undefined && (table.number('count') ?? 0) >= full * (table.number('max') ?? Infinity);
    const line = logLine(file, 'conntrack_full');
    const connect = factOf(file, 'connect');
    const lost = file.symptom.kind === 'connection_timeout' || connect?.word('result') === 'connection_timeout';
    if (!(isFull && lost) && !line) return lost ? lineIsFull(file) : undefined;
    return {
      cause: 'load.network',
      confidence: isFull && line ? 'certain' : lost && isFull ? 'likely' : 'possible',
      subject: table ? `net.netfilter.nf_conntrack_max = ${table.number('max')}` : 'net.netfilter.nf_conntrack_max',
      sentence: isFull
        ? 'The table of connections of the packet filter is full, so that new connections are dropped.'
        : 'The table of connections of the packet filter was full, so that connections were dropped.',
      because: sentences(isFull && table, line, lost && file.symptom.text),
      against: sentences(!isFull && (table ?? 'The table has room now.')),
      remedy: `Make room: sysctl -w net.netfilter.nf_conntrack_max=${2 * (table?.number('max') ?? 131_072)}; then find out who makes so many connections: conntrack -L, ss -s`,
      avoid: ['Do not restart the service: it does not help the connections that never reach it.'],
    };
  },
};

/** Never certain: which packets were thrown away nobody saw. */
function lineIsFull(file: CaseFile): Suspect | undefined {
  const full = factOf(file, 'line_full');
  if (!full) return undefined;
  const device = full.word('device');
  const connect = factOf(file, 'connect');
  return {
    cause: 'load.network',
    confidence: 'likely',
    subject: device,
    sentence: `The line to ${file.target.name} is full: ${device} throws away ${Math.round(100 * (full.number('droppedShare') ?? 0))} % of what is sent to it, and connections get lost.`,
    because: sentences(full, connect?.word('result') === 'connection_timeout' && connect, file.symptom.text),
    against: [],
    remedy: `Find out who sends so much, and hold that back: tc -s qdisc show dev ${device}; ss -tuanpi`,
    avoid: ['Do not restart the service: it does not help the connections that never reach it.'],
  };
}
