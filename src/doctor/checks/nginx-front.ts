/** nginx in front of a gateway: what makes the fail-open snippet an outage of its own, or replaces our page. */
import { formatAddress } from '../../core/failure.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { everywhere, inForce, nameOf, placeOf, type Peer, type UpstreamBlock } from '../nginx/passes.ts';
import { gatewayPasses, type GatewayPass } from '../who-passes.ts';

type Found = CheckResult['findings'];

/** Statuses that our page may have. */
const ours = ['502', '503', '504'];

export const nginxFront: Check = {
  name: 'nginx-front',
  family: 'configuration',
  deadlineMs: 15_000,
  finds: {
    'nginx-max-fails': { severity: 'serious', when: 'a server of an upstream with a gateway has no `max_fails=0`: one failure turns it off for ten seconds' },
    'nginx-next-upstream': { severity: 'serious', when: '`fastcgi_next_upstream` or `proxy_next_upstream` before a gateway is not `error`: a slow page is executed twice' },
    'gateway-not-used': { severity: 'info', when: 'nothing in nginx leads to a gateway of goodgateway.yaml' },
    'nginx-intercepts-errors': { severity: 'warning', when: '`fastcgi_intercept_errors` or `proxy_intercept_errors` replaces our page by an `error_page` of nginx' },
  },
  check: async (context) => {
    const passes = gatewayPasses(context);
    const blocks = new Map(passes.flatMap(({ pass }) => (pass.upstream ? [[pass.upstream.name, pass.upstream]] : [])));
    return {
      findings: [
        ...[...blocks.values()].flatMap((upstream) => (upstream.peers.length > 1 ? upstream.peers.flatMap((peer) => turnedOff(upstream, peer)) : [])),
        ...passes.flatMap(askedTwice),
        ...passes.flatMap(replaced),
        ...notUsed(context, passes),
      ],
    };
  },
};

/** Where a pass leads to a variable, only a request tells. */
function notUsed({ nginx, configuration }: DoctorContext, passes: readonly GatewayPass[]): Found {
  if (!nginx || ['fastcgi_pass', 'proxy_pass'].some((name) => everywhere(nginx, name).some(({ words }) => words[0]?.includes('$')))) return [];
  const unused = Object.entries(configuration?.host.gateways ?? {}).filter(([name]) => !passes.some((one) => one.name === name));
  return unused.map(([name, { listen }]) => ({
    id: 'gateway-not-used',
    subject: `gateway ${name}`,
    what: `Nothing in ${nginx.file} and what it includes leads to ${listen.map(formatAddress).join(', ')}.`,
    why: 'Its visitors still get the errors of the backend itself: nothing is held, and no page explains.',
    change: `in nginx, before the backend: server ${listen[0] ? formatAddress(listen[0]) : ''} max_fails=0;   (goodgateway nginx --gateway ${name} prints the whole)`,
    source: nginx.file,
  }));
}

function turnedOff(upstream: UpstreamBlock, { words, line }: Peer): Found {
  if (words.includes('max_fails=0') || words.includes('down')) return [];
  const rest = words.slice(1).filter((word) => !word.startsWith('max_fails=') && !word.startsWith('fail_timeout='));
  return [
    {
      id: 'nginx-max-fails',
      subject: `server ${words[0]} of upstream ${upstream.name}`,
      what: `It counts failures: nginx turns it off for a while after ${/^max_fails=(\d+)$/.exec(words.find((word) => word.startsWith('max_fails=')) ?? '')?.[1] ?? '1'} of them.`,
      why: 'When all servers of the block are turned off, nginx answers "502 Bad Gateway" (no live upstreams) although the backend is well again: worse than no gateway at all.',
      change: `${placeOf(line)}: ${['server', words[0], 'max_fails=0', ...rest].join(' ')};`,
      source: placeOf(line),
    },
  ];
}

function askedTwice({ pass }: GatewayPass): Found {
  if ((pass.upstream?.peers.length ?? 0) < 2) return [];
  const directive = pass.protocol === 'fastcgi' ? 'fastcgi_next_upstream' : 'proxy_next_upstream';
  const written = inForce(pass.scope, directive)[0];
  const words = written?.words ?? ['error', 'timeout'];
  if (words.every((word) => word === 'error' || word === 'off')) return [];
  const place = written ? placeOf(written) : `${placeOf(pass.line)}, beside it`;
  return [
    {
      id: 'nginx-next-upstream',
      subject: nameOf(pass.scope),
      what: `nginx asks the next server after: ${words.join(', ')}${written ? '' : " (nginx's default)"}.`,
      why: 'A page that is slower than the read timeout is executed a second time, by the server that is only there for a dead gateway.',
      change: `${place}: ${directive} error;`,
      source: placeOf(written ?? pass.line),
    },
  ];
}

/** Only where an error_page is in force for a status of ours: interception alone changes nothing. */
function replaced({ pass }: GatewayPass): Found {
  const directive = pass.protocol === 'fastcgi' ? 'fastcgi_intercept_errors' : 'proxy_intercept_errors';
  const written = inForce(pass.scope, directive)[0];
  const page = inForce(pass.scope, 'error_page').find(({ words }) => words.some((word) => ours.includes(word)));
  if (written?.words[0] !== 'on' || !page) return [];
  return [
    {
      id: 'nginx-intercepts-errors',
      subject: nameOf(pass.scope),
      what: `nginx replaces answers with status ${page.words.filter((word) => ours.includes(word)).join(', ')} by the page of ${placeOf(page)}.`,
      why: "In an outage visitors do not see goodgateway's page, which says what happens and comes back by itself.",
      change: `${placeOf(written)}: ${directive} off;   (or take ${ours.join(', ')} out of the error_page at ${placeOf(page)})`,
      source: placeOf(written),
    },
  ];
}
