/** What an answer through a gateway, and one without it, mean together. Pure. */
import type { GatewayConfig } from '../config/host-schema.ts';
import { formatAddress } from '../core/failure.ts';
import type { Asked } from './ask-once.ts';

/** Who answered: the backend, goodgateway by a page of its own, or nobody. */
export type Way = 'backend' | 'goodgateway' | 'nobody';

export interface Probed {
  readonly name: string;
  readonly config: GatewayConfig;
  readonly through: Asked;
  /** Absent where it was not asked. */
  readonly direct: Asked | undefined;
  /** Whether nginx's user may connect to the gateway; absent where that was not tried. */
  readonly nginx: { readonly user: string; readonly refused: string | undefined } | undefined;
}

export interface Verdict {
  readonly ok: boolean;
  readonly way: Way;
  /** What it means and what to do, a sentence or more each. */
  readonly sentences: readonly string[];
}

/** `ok`: the backend answered through the gateway with the status that it gives directly, and nginx may ask the same way. */
export function verdictOn(probed: Probed): Verdict {
  const way = wayOf(probed.through);
  const refused = nginxRefused(probed);
  const [well, ...sentences] = way === 'backend' ? ofTheBackend(probed) : way === 'goodgateway' ? ofAPage(probed) : ofNobody(probed);
  return { ok: well === 'well' && refused.length === 0, way, sentences: [...sentences, ...refused] };
}

function wayOf(through: Asked): Way {
  if (through.kind === 'failed') return 'nobody';
  return through.headers['proxy-status']?.startsWith('goodgateway') ? 'goodgateway' : 'backend';
}

type Said = readonly [how: 'well' | 'badly', ...sentences: string[]];

function ofTheBackend({ config, through, direct }: Probed): Said {
  if (through.kind === 'failed') return ['badly'];
  const hints = config.protocol === 'fastcgi' && through.status === 404 ? ['If the page is there: name the file with --document-root and --script.'] : [];
  if (direct === undefined) return ['well', 'The backend answers through goodgateway.', ...hints];
  if (direct.kind === 'failed') return ['well', `The backend answers through goodgateway, but just now not directly (${direct.failure.detail}): ask again.`];
  if (direct.status === through.status) return ['well', `The site answers through goodgateway as it does directly: with ${through.status}.`, ...hints];
  return [
    'badly',
    `The site answers ${direct.status} directly and ${through.status} through goodgateway.`,
    'Ask once more: a site that answers differently each time does so here, too. If it stays so, leave nginx as it is, and look at what the two answers say (--json has more of them).',
  ];
}

function ofAPage({ name, config, through, direct }: Probed): Said {
  const kind = through.kind === 'answered' ? (/error=([a-z_]+)/.exec(through.headers['proxy-status'] ?? '')?.[1] ?? 'unknown') : 'unknown';
  const page = `goodgateway runs, and answered with its own page (${kind})`;
  if (direct?.kind === 'failed') return ['badly', `${page}: the backend does not answer directly either (${direct.failure.detail}). Start it; "goodgateway diagnose" says what is wrong with it.`];
  if (direct?.kind === 'answered')
    return [
      'badly',
      `${page}, while the backend answers ${direct.status} directly.`,
      `Can the user that the proxy runs as connect to ${formatAddress(config.upstream)}? "goodgateway status" says what the gateway ${name} is waiting for.`,
    ];
  return ['badly', `${page}: "goodgateway diagnose" says what is wrong with the backend.`];
}

function ofNobody({ name, config, through, direct }: Probed): Said {
  if (through.kind === 'answered') return ['badly'];
  const { failure, address } = through;
  const place = formatAddress(address);
  const site = direct?.kind === 'answered' ? ` Directly the site answers ${direct.status}, so nginx as it is goes on serving it.` : '';
  if (failure.errno === 'ENOENT') return ['badly', `There is no ${place}: goodgateway does not run, or was started with another configuration.${site}`, start];
  if (failure.errno === 'ECONNREFUSED') return ['badly', `Nobody listens at ${place}: goodgateway does not run.${site}`, start];
  if (failure.errno === 'EACCES')
    return ['badly', `This user may not connect to ${place}: ask again as root, or as nginx's user.`, `nginx itself needs gateways.${name}.socket: { group: GROUP_OF_NGINX }.`];
  const speaks = `Is it goodgateway that listens there, and does it speak ${config.protocol}?`;
  return ['badly', `No answer through ${place}: ${failure.detail}.${site}`, speaks];
}

const start = 'Start it: systemctl start goodgateway, or goodgateway run; then ask again.';

/** What nginx would not say aloud: it writes a line into its error log and uses the backup. */
function nginxRefused({ name, through, nginx }: Probed): readonly string[] {
  if (nginx?.refused === undefined || through.kind === 'failed') return [];
  return [
    `But the user ${nginx.user} of nginx may not connect to ${formatAddress(through.address)} (${nginx.refused}): nginx would silently use the backend and never come here.`,
    `Set gateways.${name}.socket: { group: ${nginx.user} } (the group of nginx's user) and restart goodgateway; "goodgateway doctor --only socket-access" names the folder or mode.`,
  ];
}
