/** No local port is left for another connection to the same place: each ended one keeps its port for a minute. */
import type { CaseFile, Cause } from '../leaves.ts';
import { currentAddress, factOf, factsOf, logLine, sentences, type Fact } from './read-case.ts';

/** Nearly all are used; the kernel gives up its search before the very last. */
const full = 0.95;

/**
 * Certain when a connect was refused for it (EADDRNOTAVAIL) and the ports are counted as used; likely when they are all
 * used, or a connect of our own was refused for it; possible when only a log or a past request says so.
 */
export const capacityPortsExhausted: Cause = {
  name: 'capacity.ports_exhausted',
  suspect(file) {
    const used = factsOf(file, 'local_ports').find((fact) => (fact.number('used') ?? 0) >= full * (fact.number('range') ?? Infinity));
    const connect = factOf(file, 'connect');
    const refusedNow = connect?.word('errno') === 'EADDRNOTAVAIL';
    const said = file.symptom.errno === 'EADDRNOTAVAIL';
    const line = logLine(file, 'no_local_port') ?? factsOf(file, 'log').find((fact) => fact.word('entry') === 'nginx_connect.no_ports');
    if (!used && !refusedNow && !said && !line) return undefined;
    const at = used?.word('address') || currentAddress(file);
    const refused = refusedNow || said || line !== undefined;
    return {
      cause: 'capacity.ports_exhausted',
      confidence: used && refused ? 'certain' : used || refusedNow ? 'likely' : 'possible',
      subject: used ? `net.ipv4.ip_local_port_range (${used.number('range')} ports) to ${at}` : at,
      sentence: used || refusedNow ? `This host has no local port left for another connection to ${at}.` : `This host had no local port left for a connection to ${at}.`,
      because: because(file, { used, line, connect: refusedNow ? connect : undefined, said }),
      against: sentences(connect?.word('result') === 'connected' && connect),
      remedy: 'Keep connections to it open (nginx: keepalive in the upstream block), or listen on a unix socket; meanwhile more ports help: sysctl -w net.ipv4.ip_local_port_range="1024 65535"',
      avoid: ['Do not restart the service: the ports are kept by connections that ended, and come back within a minute.'],
    };
  },
};

function because(
  file: CaseFile,
  { used, line, connect, said }: { readonly used: Fact | undefined; readonly line: Fact | undefined; readonly connect: Fact | undefined; readonly said: boolean },
): readonly string[] {
  return sentences(used, connect, said && file.symptom.text, line);
}
