/** The packet filter's table of connections is full: new ones are dropped, whoever makes them. */
import type { Cause } from '../leaves.ts';
import { factOf, logLine, sentences } from './read-case.ts';

/** The kernel drops at the very maximum; between two looks some entries end. */
const full = 0.98;

/**
 * Certain when the table is full and the kernel's log says that it drops packets for it; likely when one of the two is
 * seen while connects get no answer; possible when the kernel only said so, and there is room again.
 */
export const loadNetwork: Cause = {
  name: 'load.network',
  suspect(file) {
    const table = factOf(file, 'conntrack');
    const isFull = table !== undefined && (table.number('count') ?? 0) >= full * (table.number('max') ?? Infinity);
    const line = logLine(file, 'conntrack_full');
    const connect = factOf(file, 'connect');
    const lost = file.symptom.kind === 'connection_timeout' || connect?.word('result') === 'connection_timeout';
    if (!(isFull && lost) && !line) return undefined;
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
