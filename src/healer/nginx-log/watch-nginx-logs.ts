/**
 * What nginx says in its error log about our backends and about us, for the gateways that name that log. A failed
 * attempt at a backend goes the way of a failure that a proxy reports; what nginx itself lacks (a permission,
 * connections, patience) is no fault of the service: it is recorded and said, and nothing is done about it.
 */
import type { GatewayConfig } from '../../config/host-schema.ts';
import type { Healer, Ward } from '../healer.ts';
import type { Incidents } from '../incidents.ts';
import { takeFailure, takeSilence } from '../take-facts.ts';
import { followLog } from './follow-log.ts';
import { readNginxLine, type NginxFact } from './nginx-line.ts';
import { whoseAddress, type KnownGateway, type Whose } from './whose-address.ts';

export interface NginxLogsOptions {
  readonly wards: ReadonlyMap<string, Ward>;
  readonly incidents: Incidents;
  readonly healer: Healer;
}

interface ReadingGateway extends KnownGateway {
  readonly service: string;
  readonly standby: boolean;
  readonly responseTimeoutMs: number;
  readonly holdMs: number;
}

/** The same words about nginx are recorded once in so long. */
const sayAgainMs = 60_000;

type Gateways = Readonly<Record<string, GatewayConfig>>;

/** Every log that a gateway names, as long as one does and the healer runs. */
export class NginxLogs {
  readonly #options: NginxLogsOptions;
  readonly #add: (work: Promise<void>) => void;
  readonly #followed = new Map<string, AbortController>();
  #gateways: Gateways = {};

  /** `add` gets the work of each log. */
  constructor(options: NginxLogsOptions, add: (work: Promise<void>) => void) {
    this.#options = options;
    this.#add = add;
  }

  /** These are the gateways from now on. */
  adopt(gateways: Gateways): void {
    this.#gateways = gateways;
    const files = new Set(Object.values(gateways).flatMap(({ nginx_error_log: file }) => file ?? []));
    for (const [file, gone] of this.#followed) {
      if (files.has(file)) continue;
      gone.abort();
      this.#followed.delete(file);
    }
    for (const file of files) {
      if (this.#followed.has(file)) continue;
      const gone = new AbortController();
      this.#followed.set(file, gone);
      this.#add(watchLog(file, { ...this.#options, gateways: () => this.#gateways, signal: AbortSignal.any([this.#options.healer.stopping, gone.signal]) }));
    }
  }
}

interface OneLog extends NginxLogsOptions {
  /** As they are now. */
  readonly gateways: () => Gateways;
  readonly signal: AbortSignal;
}

function watchLog(file: string, options: OneLog): Promise<void> {
  const { clock, log } = options.healer;
  const said = new Map<string, number>();
  const say: Say = async (gateway, text) => {
    const now = clock.monotonicMs();
    if (now - (said.get(text) ?? -Infinity) < sayAgainMs) return;
    said.set(text, now);
    await tellOfNginx({ file, text, gateway }, options.healer);
  };
  return followLog({
    file,
    clock,
    signal: options.signal,
    onLine: async (line) => {
      const fact = readNginxLine(line);
      if (fact) await take(fact, { gateways: readers(file, options.gateways()), say, place: options });
    },
    onTrouble: (reason) => {
      if (reason === undefined) return log.info({ file }, "nginx's error log is read");
      log.warn({ file, reason }, "nginx's error log cannot be read, so what only nginx sees is missed; let the healer's user read it (group adm on Debian); tried again every second");
    },
  });
}

type Say = (gateway: ReadingGateway | undefined, text: string) => Promise<void>;
interface Reading {
  readonly gateways: readonly ReadingGateway[];
  readonly say: Say;
  readonly place: Pick<NginxLogsOptions, 'wards' | 'incidents' | 'healer'>;
}

async function take(fact: NginxFact, reading: Reading): Promise<void> {
  if (fact.type === 'out_of_connections') return reading.say(undefined, 'nginx has no free connection: raise worker_connections, or lower hold.requests (each request that waits costs nginx two)');
  if (fact.type === 'no_live_upstreams') {
    const named = blockOf(fact.place, reading.gateways);
    return reading.say(named, 'nginx has switched off every server of an upstream ("no live upstreams") and answers 502 by itself: write max_fails=0 on each of its servers');
  }
  const whose = whoseAddress(fact.place, reading.gateways);
  const gateway = reading.gateways.find(({ name }) => name === whose?.gateway);
  if (!whose || !gateway) return;
  if (whose.side === 'gateway' && !isAnswerOfBackend(fact)) return sayOfOurselves(fact, { whose, gateway, say: reading.say });
  if (fact.kind === 'proxy_configuration_error' || fact.kind === 'proxy_internal_error')
    return reading.say(gateway, `nginx could not connect to ${whose.address}, which is no fault of ${gateway.service}: ${fact.says}; look at the rights of the socket and at nginx's limits`);
  await takeBackendFailure(fact, { whose, gateway, place: reading.place });
}

type AttemptFailed = Extract<NginxFact, { type: 'attempt_failed' }>;

async function takeBackendFailure(fact: AttemptFailed, { whose, gateway, place }: { readonly whose: Whose; readonly gateway: ReadingGateway; readonly place: Reading['place'] }): Promise<void> {
  const upstream = whose.side === 'backend' ? whose.upstream : 0;
  const detail = `nginx wrote "${fact.says}" about ${whose.address}`;
  await takeFailure(
    {
      type: 'failure_reported',
      gateway: gateway.name,
      upstream,
      kind: fact.kind,
      phase: fact.phase,
      ...(fact.errno !== undefined && { errno: fact.errno }),
      detail,
      requestId: '',
      atMs: place.healer.clock.wallMs(),
    },
    place,
    'nginx_log',
  );
  // the proxy of a standby gateway does not see who waits: a timeout in nginx is the sign of a hang there; the look takes seconds
  if (gateway.standby && fact.kind === 'http_response_timeout')
    void takeSilence({ seenBy: 'nginx_log', kind: fact.kind, gateway: gateway.name, count: 1, text: `a request was not answered in time: ${detail}` }, place);
}

/** Too big or invalid in nginx's eyes: goodgateway passed on what the backend said. */
function isAnswerOfBackend({ kind }: AttemptFailed): boolean {
  return kind === 'http_response_header_section_size' || kind === 'http_protocol_error';
}

/** nginx and our own listener. Connections that we ended were reported by the proxy itself, or it died and is back. */
function sayOfOurselves(fact: AttemptFailed, { whose, gateway, say }: { readonly whose: Whose; readonly gateway: ReadingGateway; readonly say: Say }): Promise<void> {
  if (fact.kind === 'http_response_timeout')
    return say(gateway, `nginx gave up on gateway ${gateway.name} before its answer came: its read timeout must be at least ${Math.ceil((gateway.holdMs + gateway.responseTimeoutMs + 5000) / 1000)}s`);
  if (fact.phase === 'connect' && fact.kind === 'proxy_configuration_error')
    return say(gateway, `nginx may not connect to ${whose.address} (${fact.says}), so it goes round goodgateway or answers 502: set socket.group of gateway ${gateway.name} to nginx's group`);
  if (fact.phase === 'connect') return say(gateway, `nginx could not connect to goodgateway itself at ${whose.address}: ${fact.says}`);
  return Promise.resolve();
}

/** An upstream block is known by a gateway's name only, or because there is no other gateway. */
function blockOf(place: string, gateways: readonly ReadingGateway[]): ReadingGateway | undefined {
  const name = /^[\w.-]{1,64}/.exec(place)?.[0];
  return gateways.find((gateway) => gateway.name === name) ?? (gateways.length === 1 ? gateways[0] : undefined);
}

async function tellOfNginx({ file, text, gateway }: { readonly file: string; readonly text: string; readonly gateway: ReadingGateway | undefined }, healer: Healer): Promise<void> {
  healer.log.error({ file, ...(gateway && { gateway: gateway.name }) }, text);
  const evidence = [{ collector: 'nginx_log', status: 'seen' as const, source: file, text }];
  await healer.audit.append({ event: 'evidence.captured', ...(gateway && { service: gateway.service }), evidence, text });
}

function readers(file: string, gateways: Gateways): readonly ReadingGateway[] {
  return (
    Object.entries(gateways)
      .filter(([, gateway]) => gateway.nginx_error_log === file)
      .map(([name, gateway]) => ({
        name,
        service: gateway.service,
        standby: gateway.standby,
        upstreams: [gateway.upstream, ...gateway.also_allowed],
        listen: gateway.listen,
        responseTimeoutMs: gateway.timeouts.response,
        holdMs: gateway.hold.for,
      }))
      // of two with one backend it is the standby one whose traffic nobody else sees
      .sort((a, b) => Number(b.standby) - Number(a.standby))
  );
}
