/** What of nginx's configuration matters to whoever stands behind it: where it passes requests to, and with what patience. */
import { parseAddress, type Address } from '../../core/failure.ts';
import type { Directive } from './parse-nginx.ts';

/** A block with the blocks around it; the outermost has no `parent`. */
export interface Scope {
  readonly directive: Directive | undefined;
  readonly directives: readonly Directive[];
  readonly parent: Scope | undefined;
}

/** One `server` line of an upstream. `address`: absent where it holds a variable or is no address. */
export interface Peer {
  readonly address: Address | undefined;
  readonly words: readonly string[];
  readonly line: Directive;
}

export interface UpstreamBlock {
  readonly name: string;
  readonly peers: readonly Peer[];
  readonly line: Directive;
}

/** One `fastcgi_pass` or `proxy_pass` that leads to known addresses. */
export interface Pass {
  readonly protocol: 'fastcgi' | 'http';
  readonly line: Directive;
  readonly scope: Scope;
  /** The named block that it goes through. */
  readonly upstream: UpstreamBlock | undefined;
  readonly addresses: readonly Address[];
}

export interface Nginx {
  readonly file: string;
  readonly main: Scope;
  readonly passes: readonly Pass[];
  readonly upstreams: readonly UpstreamBlock[];
}

/** The configuration as {@link Nginx}. Passes to variables are left out: where they lead only a request tells. */
export function nginxFrom(file: string, directives: readonly Directive[]): Nginx {
  const main: Scope = { directive: undefined, directives, parent: undefined };
  // what `stream` passes on is no HTTP, and often no TCP
  const scopes = scopesBelow({ ...main, directives: directives.filter(({ name }) => name !== 'stream') });
  const upstreams = scopes.filter((scope) => scope.directive?.name === 'upstream').map(upstreamFrom);
  return { file, main, upstreams, passes: scopes.flatMap((scope) => passesIn(scope, upstreams)) };
}

/** The directives of this name that hold in a scope: those of the innermost block that has any. */
export function inForce(scope: Scope | undefined, name: string): readonly Directive[] {
  for (let at = scope; at; at = at.parent) {
    const found = at.directives.filter((one) => one.name === name);
    if (found.length > 0) return found;
  }
  return [];
}

/** All blocks of a configuration with this name, with the blocks around them. */
export function blocks(nginx: Nginx, name: string): readonly Scope[] {
  return scopesBelow(nginx.main).filter((scope) => scope.directive?.name === name);
}

/** Every directive of this name, wherever it stands. */
export function everywhere(nginx: Nginx, name: string): readonly Directive[] {
  return [nginx.main, ...scopesBelow(nginx.main)].flatMap((scope) => scope.directives.filter((one) => one.name === name));
}

/** `FILE:LINE`, as editors open it. */
export function placeOf({ file, line }: Pick<Directive, 'file' | 'line'>): string {
  return `${file}:${line}`;
}

/** For people: `location / of shop.example.com`. */
export function nameOf(scope: Scope): string {
  const location = scope.directive?.name === 'location' ? `location ${scope.directive.words.join(' ')}` : (scope.directive?.name ?? 'the configuration');
  const server = inForce(scope, 'server_name')[0]?.words[0];
  return server && server !== '_' ? `${location} of ${server}` : location;
}

/** nginx's times: `60`, `60s`, `5m`, `1h 30m`, `500ms`; `undefined` when it is none. */
export function nginxTimeMs(text: string | undefined): number | undefined {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, M: 2_592_000_000, y: 31_536_000_000, '': 1000 };
  const compact = (text ?? '').replaceAll(' ', '');
  if (!/^(\d+(ms|[smhdwMy])?)+$/.test(compact)) return undefined;
  return [...compact.matchAll(/(\d+)(ms|[smhdwMy]?)/g)].reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
}

/** How many workers nginx runs: one where nothing is written. */
export function workerCount(nginx: Nginx, cpus: number): number {
  const written = inForce(nginx.main, 'worker_processes')[0]?.words[0];
  return written === 'auto' ? cpus : Number(written ?? 1) || 1;
}

/** The whole number of a directive at the top, or in `events`. */
export function topNumber(nginx: Nginx, name: string): number | undefined {
  const [found] = [nginx.main, ...blocks(nginx, 'events')].flatMap((scope) => scope.directives.filter((one) => one.name === name));
  return found && /^\d+$/.test(found.words[0] ?? '') ? Number(found.words[0]) : undefined;
}

function scopesBelow(parent: Scope): readonly Scope[] {
  return parent.directives.flatMap((directive) => {
    if (!directive.block) return [];
    const scope: Scope = { directive, directives: directive.block, parent };
    return [scope, ...scopesBelow(scope)];
  });
}

function upstreamFrom({ directive, directives }: Scope): UpstreamBlock {
  const line = directive!;
  const servers = directives.filter((one) => one.name === 'server');
  return { name: line.words[0] ?? '', line, peers: servers.map((server) => ({ address: addressOf(server.words[0] ?? '', 80), words: server.words, line: server })) };
}

function passesIn(scope: Scope, upstreams: readonly UpstreamBlock[]): readonly Pass[] {
  return scope.directives.flatMap((line): readonly Pass[] => {
    const protocol = line.name === 'fastcgi_pass' ? 'fastcgi' : line.name === 'proxy_pass' ? 'http' : undefined;
    const [text] = line.words;
    if (!protocol || !text) return [];
    const { host, port } = protocol === 'http' ? hostOf(text) : { host: text, port: undefined };
    const upstream = upstreams.find((one) => one.name === host);
    const direct = addressOf(host, port);
    const addresses = upstream ? upstream.peers.flatMap((peer) => peer.address ?? []) : direct ? [direct] : [];
    return addresses.length === 0 ? [] : [{ protocol, line, scope, upstream, addresses }];
  });
}

/** Of `http://HOST[:PORT]/uri` and `http://unix:/path:/uri` what is connected to. */
function hostOf(url: string): { readonly host: string; readonly port: number } {
  const port = url.startsWith('https://') ? 443 : 80;
  const rest = url.replace(/^https?:\/\//, '');
  return { host: rest.startsWith('unix:') ? rest : rest.replace(/\/.*$/, ''), port };
}

function addressOf(text: string, port: number | undefined): Address | undefined {
  if (text.includes('$')) return undefined;
  const unix = /^unix:(\/[^:]+)/.exec(text)?.[1];
  if (unix) return { kind: 'unix', path: unix };
  return parseAddress(text) ?? (port === undefined ? undefined : parseAddress(`${text}:${port}`));
}
