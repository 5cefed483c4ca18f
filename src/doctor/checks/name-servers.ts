/** Do the name servers answer, and do the names of upstreams resolve? nginx does not start with one that does not. */
import { isIP } from 'node:net';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { everywhere, placeOf } from '../nginx/passes.ts';
import { tcpTargets } from '../tcp-targets.ts';

type Found = CheckResult['findings'];

/** As many as the C library reads of /etc/resolv.conf, and some of nginx's own. */
const serversAtMost = 10;
const namesAtMost = 100;

export const nameServers: Check = {
  name: 'name-servers',
  family: 'configuration',
  deadlineMs: 20_000,
  finds: {
    'name-servers-silent': { severity: 'serious', when: 'no name server of /etc/resolv.conf answers' },
    'name-server-silent': { severity: 'warning', when: 'one of several name servers of /etc/resolv.conf, or of a `resolver` of nginx, does not answer' },
    'name-unresolved': { severity: 'serious', when: 'the name of an upstream does not resolve: nginx would not start again' },
  },
  check: async (context, signal) => {
    const [servers, names] = await Promise.all([silentServers(context, signal), unresolved(context, signal)]);
    return { findings: [...servers, ...names] };
  },
};

interface Server {
  readonly address: string;
  readonly place: string;
  readonly isSystem: boolean;
}

async function silentServers(context: DoctorContext, signal: AbortSignal): Promise<Found> {
  const servers = await serversOf(context);
  const answers = await Promise.all(servers.map((server) => context.outside.whySilent(server.address, signal)));
  const silent = servers.flatMap((server, index) => (answers[index] === undefined ? [] : [{ ...server, reason: answers[index] }]));
  const system = servers.filter(({ isSystem }) => isSystem);
  const allSilent = system.length > 0 && system.every((one) => silent.some(({ address, isSystem }) => isSystem && address === one.address));
  return silent.map(({ address, place, isSystem, reason }) => ({
    id: isSystem && allSilent ? 'name-servers-silent' : 'name-server-silent',
    subject: `${address} (${isSystem ? 'system' : 'nginx'})`,
    what: `The name server ${address} did not answer: ${reason}.`,
    why: isSystem
      ? 'Each look-up of an application waits 5 s for it before the next server is asked, while the worker is taken: pages become slow, then "504".'
      : 'nginx asks it for names that are resolved while it runs, and answers 502 as long as it gets nothing.',
    change: `${place}: name a server that answers, or start this one`,
    source: place,
  }));
}

async function serversOf({ files, nginx }: DoctorContext): Promise<readonly Server[]> {
  const system = (await files.lines('/etc/resolv.conf')).flatMap(({ text, line }) => {
    const address = /^nameserver\s+(\S+)/.exec(text)?.[1];
    return address ? [{ address, place: `/etc/resolv.conf:${line}`, isSystem: true }] : [];
  });
  const ofNginx = (nginx ? everywhere(nginx, 'resolver') : []).flatMap((directive) =>
    directive.words.filter((word) => isIP(word.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')) > 0).map((address) => ({ address, place: placeOf(directive), isSystem: false })),
  );
  return [...new Map([...system.slice(0, 3), ...ofNginx].map((one) => [`${one.address} ${one.isSystem}`, one])).values()].slice(0, serversAtMost);
}

async function unresolved(context: DoctorContext, signal: AbortSignal): Promise<Found> {
  const targets = tcpTargets(context).filter(({ address }) => isIP(address.host) === 0 && address.host !== 'localhost');
  const names = [...new Map(targets.map((target) => [target.address.host, target])).values()].slice(0, namesAtMost);
  const reasons = await Promise.all(names.map(({ address }) => context.outside.whyUnresolved(address.host, signal)));
  return names.flatMap(({ address, place, who }, index) => {
    const reason = reasons[index];
    if (reason === undefined) return [];
    return [
      {
        id: 'name-unresolved',
        subject: address.host,
        what: `${who} leads to ${address.host}, which does not resolve: ${reason}.`,
        why: who === 'nginx' ? 'nginx asks for it when it starts ("host not found in upstream"): with the next restart all sites of this nginx are down.' : 'Each connect of the gateway fails.',
        change: `${place}: write the address, or make the name known (getent hosts ${address.host} must answer)`,
        source: place,
      },
    ];
  });
}
