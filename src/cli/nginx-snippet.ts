/**
 * What nginx needs for one gateway. Three rules hold for every kind: nothing turns a server off (`max_fails=0` on each,
 * or two failures are an outage of their own), nothing is asked twice after a timeout, and nginx waits longer than
 * goodgateway does. nginx keeps no connections to a gateway: the last request on one that is just being closed by a
 * restart would be lost, and php-fpm as the backup would have workers occupied by idle connections.
 */
import type { GatewayConfig } from '../config/host-schema.ts';
import { formatAddress, type Address } from '../core/failure.ts';

/** Who is asked first: goodgateway (`inline`), the backend (`standby`), or the backend and nobody else (`bypass`). */
export type SnippetKind = 'inline' | 'standby' | 'bypass';

export interface NamedGateway {
  readonly name: string;
  readonly config: GatewayConfig;
}

/** The places where the lines go; each a list of whole lines, indented inside their own blocks, some with a comment at the end. */
export interface NginxSnippet {
  /** In `http { … }`, once: the same text for every gateway that needs it. */
  readonly http: readonly string[];
  /** In `http { … }`: whole `upstream` blocks. The first one has the name of the gateway. */
  readonly upstream: readonly string[];
  /** In `server { … }`, beside the location: whole blocks. Empty but where the backend speaks TLS. */
  readonly server: readonly string[];
  /** In the location, in the place of its `fastcgi_pass` or `proxy_pass`. */
  readonly location: readonly string[];
}

/** The lines for one gateway: pure, the same for the same configuration. */
export function nginxSnippet(gateway: NamedGateway, kind: SnippetKind): NginxSnippet {
  const http = gateway.config.protocol === 'http' ? connectionMap : [];
  return { http, ...(gateway.config.tls ? overTls(gateway, kind) : plainly(gateway, kind)) };
}

/** Of the addresses of a gateway nginx needs one: they all lead to the same process. A socket, where there is one. */
export function addressForNginx({ listen }: GatewayConfig): Address {
  return listen.find(({ kind }) => kind === 'unix') ?? listen[0]!;
}

/** One directive, and why. */
type Line = readonly [directive: string, why?: string | undefined];
type Places = Omit<NginxSnippet, 'http'>;

/** Strings of a map are compared without case. Another offer (h2c) would lead past nginx's own access rules. */
const connectionMap = ['map $http_upgrade $goodgateway_connection {  # WebSockets, and no other upgrade', "    default '';", '    websocket upgrade;', '}'];
const marginSeconds = 5;
/** Where Debian keeps the authorities that everybody trusts; nginx brings none. */
const usualAuthorities = '/etc/ssl/certs/ca-certificates.crt';
const failsOpen = 'fails open: if goodgateway is dead, as before';
const notTwice = 'never "timeout": a slow page would run twice';

const headers: readonly Line[] = [
  ['proxy_http_version 1.1;', 'with 1.0 a cut answer would look complete'],
  ['proxy_set_header Connection $goodgateway_connection;'],
  ['proxy_set_header Upgrade $http_upgrade;'],
  ['proxy_set_header Host $host;', 'where the port matters: $host:$server_port'],
  ['proxy_set_header X-Real-IP $remote_addr;', 'the visitor, for goodgateway and the backend'],
  ['proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;'],
  ['proxy_set_header X-Forwarded-Proto $scheme;'],
  ['proxy_set_header X-Request-Id $request_id;', 'the code that a page of goodgateway shows'],
];

function plainly({ name, config }: NamedGateway, kind: SnippetKind): Places {
  const [ours, theirs] = [addressForNginx(config), [config.upstream, ...config.also_allowed]];
  const servers = { inline: [ours, ...theirs], standby: [config.upstream, ours], bypass: theirs }[kind];
  const isFastcgi = config.protocol === 'fastcgi';
  return {
    upstream: upstreamBlock(name, servers, kind === 'inline' ? failsOpen : undefined),
    server: [],
    location: aligned([
      [isFastcgi ? `fastcgi_pass ${name};` : `proxy_pass http://${name};`],
      ...(isFastcgi ? ([['fastcgi_param HTTP_X_REQUEST_ID $request_id;', 'the code that a page of goodgateway shows']] as const) : headers),
      ...nextServer(config, servers.length),
      ...patience(config, kind),
      ...errorLog(config, kind),
    ]),
  };
}

/**
 * The servers of one upstream all speak TLS, or none does. Where goodgateway and the backend differ in that, nginx goes
 * from one to the other by `error_page`, and only when nothing at all was sent: stricter than `next_upstream error`.
 */
function overTls({ name, config }: NamedGateway, kind: SnippetKind): Places {
  const [ours, theirs] = kind === 'inline' ? [name, `${name}_backend`] : [`${name}_goodgateway`, name];
  const backends = [config.upstream, ...(kind === 'standby' ? [] : config.also_allowed)];
  const oursBlock = kind === 'bypass' ? [] : upstreamBlock(ours, [addressForNginx(config)]);
  const theirsBlock = upstreamBlock(theirs, backends);
  const toOurs: readonly Line[] = [[`proxy_pass http://${ours};`], ...headers, ...patience(config, kind)];
  const toTheirs: readonly Line[] = [[`proxy_pass https://${theirs};`], ...tlsLines(config), ...headers, ...nextServer(config, backends.length), ...patience(config, kind)];
  if (kind === 'bypass') return { upstream: theirsBlock, server: [], location: aligned(toTheirs) };
  const [first, second, other] = kind === 'inline' ? [toOurs, toTheirs, theirs] : [toTheirs, toOurs, ours];
  const turn: Line = [`error_page 502 = @${other};`, kind === 'inline' ? failsOpen : 'the backend takes no connection: goodgateway holds the request'];
  return {
    upstream: kind === 'inline' ? [...oursBlock, ...theirsBlock] : [...theirsBlock, ...oursBlock],
    server: [`location @${other} {`, ...indented(aligned([['if ($upstream_bytes_sent ~ [1-9]) { return 502; }', 'what was sent is not sent again'], ...second])), '}'],
    location: aligned([...first, turn, ...errorLog(config, kind)]),
  };
}

/** `max_fails` means nothing on a server that is alone, and stays true when another one is added. */
function upstreamBlock(name: string, servers: readonly Address[], why?: string): readonly string[] {
  const lines = servers.map((address, index): Line => [`server ${quoted(formatAddress(address))} max_fails=0${index > 0 ? ' backup' : ''};`, index === 1 ? why : undefined]);
  return [`upstream ${name} {`, ...indented(aligned(lines)), '}'];
}

function nextServer(config: GatewayConfig, servers: number): readonly Line[] {
  return servers > 1 ? [[`${prefixOf(config)}_next_upstream error;`, notTwice]] : [];
}

/** While a request is held nobody reads its body, so sending needs the same patience as reading. */
function patience(config: GatewayConfig, kind: SnippetKind): readonly Line[] {
  const { hold, timeouts } = config;
  const prefix = prefixOf(config);
  const seconds = Math.ceil((hold.for + timeouts.response) / 1000) + marginSeconds;
  const connectSeconds = Math.ceil(timeouts.connect / 1000) + 1;
  const why = kind === 'standby' ? 'a hang is noticed so late: hold.for + timeouts.response + 5s' : 'at least hold.for + timeouts.response + 5s';
  return [
    [`${prefix}_connect_timeout ${connectSeconds}s;`, kind === 'inline' ? undefined : 'a backend on TCP that drops packets is noticed so late'],
    [`${prefix}_send_timeout ${seconds}s;`],
    [`${prefix}_read_timeout ${seconds}s;`, why],
  ];
}

function errorLog({ nginx_error_log: file }: GatewayConfig, kind: SnippetKind): readonly Line[] {
  return file === undefined || kind === 'bypass' ? [] : [[`error_log ${quoted(file)};`, 'the healer reads it; level error, the default, not crit']];
}

function tlsLines({ tls, upstream }: GatewayConfig): readonly Line[] {
  const name = tls?.server_name ?? (upstream.kind === 'tcp' ? upstream.host : 'localhost');
  const checked: readonly Line[] = [['proxy_ssl_verify on;'], ['proxy_ssl_verify_depth 5;'], [`proxy_ssl_trusted_certificate ${quoted(tls?.ca ?? usualAuthorities)};`]];
  return [['proxy_ssl_server_name on;'], [`proxy_ssl_name ${quoted(name)};`], ...(tls?.verify === false ? ([['proxy_ssl_verify off;', 'as tls.verify says']] as const) : checked)];
}

function prefixOf({ protocol }: GatewayConfig): 'fastcgi' | 'proxy' {
  return protocol === 'fastcgi' ? 'fastcgi' : 'proxy';
}

/** As nginx reads one word. Control characters are not in paths and names of a configuration that was read. */
function quoted(text: string): string {
  return /^[\w./:[\]-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/** Reasons in one column. */
function aligned(lines: readonly Line[]): readonly string[] {
  const width = Math.max(...lines.map(([directive, why]) => (why === undefined ? 0 : directive.length)));
  return lines.map(([directive, why]) => (why === undefined ? directive : `${directive.padEnd(width)}  # ${why}`));
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `    ${line}`);
}
