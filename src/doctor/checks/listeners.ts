/** TCP ports that nginx and the gateways connect to on this host: does anybody listen, and for both meanings of `localhost`? */
import { formatAddress, type Address } from '../../core/failure.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { isThisHost, listensAt, readTcpListeners, type TcpListener } from '../listeners.ts';
import { tcpTargets, type TcpTarget } from '../tcp-targets.ts';

export const listeners: Check = {
  name: 'listeners',
  family: 'port',
  deadlineMs: 15_000,
  finds: {
    'nobody-listens': { severity: 'serious', when: 'nginx or a gateway leads to a TCP port of this host on which nobody listens' },
    'localhost-trap': { severity: 'warning', when: 'a backend is named `localhost`, which also means ::1 here, and listens on 127.0.0.1 only' },
  },
  check: async (context, signal) => {
    const known = await readTcpListeners(context.files);
    if (!known) return { findings: [], unseen: [{ subject: 'listening ports', why: '/proc/net/tcp cannot be read' }] };
    const hasTwo = await localhostHasTwo(context);
    const found = await Promise.all(
      tcpTargets(context).map(async (target) => {
        const [finding] = judge(target, known, hasTwo);
        // a rule of the kernel may lead the connection elsewhere, as Docker's do
        const isWrong = finding?.id === 'nobody-listens' && (await context.outside.accepts(target.address, signal));
        return finding && !isWrong ? [finding] : [];
      }),
    );
    return { findings: found.flat() };
  },
};

function judge(target: TcpTarget, known: readonly TcpListener[], hasTwo: boolean): CheckResult['findings'] {
  const { address, place, who } = target;
  const four = address.host === 'localhost' ? '127.0.0.1' : address.host;
  if (!isThisHost(address.host)) return [];
  if (!listensAt(known, four, address.port) && !(address.host === 'localhost' && listensAt(known, '::1', address.port))) return [nobody(target, known)];
  if (address.host !== 'localhost' || !hasTwo || listensAt(known, '::1', address.port)) return [];
  return [
    {
      id: 'localhost-trap',
      subject: formatAddress(address),
      what: `${who} leads to localhost, which is 127.0.0.1 and ::1 here; on port ${address.port} somebody listens on 127.0.0.1 only.`,
      why: 'nginx takes them for two servers: every other request is refused first ("connect() failed (111) … [::1]"), and each refusal counts against the server.',
      change: `${place}: write 127.0.0.1:${address.port} instead of localhost`,
      source: place,
    },
  ];
}

function nobody({ address, place, who }: TcpTarget, known: readonly TcpListener[]): CheckResult['findings'][number] {
  const elsewhere = known.filter(({ port }) => port === address.port).map(({ host, port }): Address => ({ kind: 'tcp', host, port }));
  return {
    id: 'nobody-listens',
    subject: formatAddress(address),
    what: `${who} leads to ${formatAddress(address)}, and nobody listens there.${elsewhere.length > 0 ? ` On this port there is only ${elsewhere.map(formatAddress).join(', ')}.` : ''}`,
    why: 'Each request that goes there is refused: "502 Bad Gateway", or the backup server is used without a word.',
    change: elsewhere[0] ? `${place}: write ${formatAddress(elsewhere[0])}` : `start what listens there, or ${place}: take it out`,
    source: place,
  };
}

async function localhostHasTwo({ files }: DoctorContext): Promise<boolean> {
  const lines = await files.lines('/etc/hosts');
  const means = (address: string): boolean => lines.some(({ text }) => text.split(/\s+/)[0] === address && text.split(/\s+/).slice(1).includes('localhost'));
  return means('127.0.0.1') && means('::1');
}
