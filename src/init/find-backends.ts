/**
 * nginx's passes → the backends behind them, one for each address, and the places that are left alone with the reason. A
 * place that leads through a gateway already is known by the gateway's socket, so a second run finds what the first did.
 */
import type { GatewayConfig } from '../config/host-schema.ts';
import { formatAddress, type Address } from '../core/failure.ts';
import type { Directive } from '../doctor/nginx/parse-nginx.ts';
import { inForce, nginxTimeMs, placeOf, type Pass, type Scope } from '../doctor/nginx/passes.ts';
import { isLoopback, isSame } from '../doctor/who-passes.ts';
import { leadsTo, type Backend, type Behind, type LeftAlone } from './backend.ts';
import { writerOf } from './control-panels.ts';
import type { Machine } from './machine.ts';
import { nameServices, plainName } from './name-services.ts';
import { listensAtAddress } from './who-listens.ts';

/** nginx's own default for fastcgi_read_timeout and proxy_read_timeout. */
const defaultReadMs = 60_000;
/** What the snippet gives nginx beyond the backend's time: hold.for and 5 s, so that nginx is the last to give up. */
export const beyondResponseMs = 20_000;

export interface FoundBackends {
  readonly backends: readonly Backend[];
  readonly leftAlone: readonly LeftAlone[];
}

/**
 * Backends in the order in which nginx's configuration names them. `runtime`: where gateways have their sockets. A backend
 * that one of these `gateways` leads to has its name.
 */
export function findBackends(machine: Machine, runtime: string, gateways: Readonly<Record<string, GatewayConfig>> = {}): FoundBackends {
  const leftAlone: LeftAlone[] = [];
  const groups: Pass[][] = [];
  for (const pass of machine.nginx?.read.passes ?? []) {
    const reason = whyLeftAlone(pass, machine, runtime);
    if (reason) leftAlone.push({ place: placeOf(pass.line), what: whatOf(pass), ...reason });
    const group = groups.find(([first]) => first && first.protocol === pass.protocol && isSame(backendOf(first, runtime), backendOf(pass, runtime)));
    // what cannot be changed by us still needs a gateway, for a person who changes it
    if (reason && !reason.needsGateway) continue;
    if (group) group.push(pass);
    else groups.push([pass]);
  }
  const given = groups.map((passes) => nameThere(passes, runtime, gateways));
  const taken = new Set(given.flatMap((name) => name ?? []));
  const untouched = new Set(leftAlone.map(({ place, what }) => `${place} ${what}`));
  const found = groups.map((passes, index) => backendFrom(passes, { machine, runtime, taken, untouched, given: given[index] }));
  const services = nameServices(found);
  const backends = found.map((backend, index) => ({ ...backend, service: services[index]! }));
  return { backends, leftAlone: leftAlone.map(({ place, what, why, instead }) => ({ place, what, why, instead })) };
}

function whatOf({ line }: Pass): string {
  return `${line.name} ${line.words[0]}`;
}

type Reason = Pick<LeftAlone, 'why' | 'instead'> & { readonly needsGateway?: true };

/** Only what can be changed without a doubt is changed. */
function whyLeftAlone(pass: Pass, machine: Machine, runtime: string): Reason | undefined {
  const { panels } = machine;
  if (gatewayOf(pass, runtime) !== undefined) return undefined;
  const panel = writerOf(pass.line.file, panels);
  if (panel) return { why: `${panel.name} writes this file again`, instead: panel.instead, needsGateway: true };
  if (pass.line.words[0]?.startsWith('https:'))
    return { why: 'nginx speaks TLS to it, and the backup line would lose that', instead: 'write a gateway with `tls:` by hand, see docs/configuration.md' };
  const { upstream } = pass;
  const around = pass.scope.directive?.name ?? '';
  if (around !== 'location') return { why: `it stands in \`${around}\`, where nginx takes no time limits`, instead: 'move it into a location of its own', needsGateway: true };
  if (upstream && upstream.peers.length !== 1)
    return { why: `upstream ${upstream.name} has ${upstream.peers.length} servers, and a gateway leads to one`, instead: 'write a gateway for each server by hand, see docs/topologies.md' };
  const balancing = upstream?.line.block?.find(({ name }) => ['hash', 'ip_hash', 'random'].includes(name));
  if (balancing) return { why: `\`${balancing.name}\` takes no backup server`, instead: `remove \`${balancing.name}\`, which does nothing with one server` };
  if (inForce(pass.scope, 'proxy_bind').length > 0) return { why: '`proxy_bind` does not work with a unix socket', instead: 'remove proxy_bind, or write the gateway by hand' };
  const made = upstream ? undefined : madeOfPass(pass.scope);
  if (made) return { why: `\`${made.name} ${made.words.join(' ')}\` would say another address`, instead: 'write there what it is today, or `$host`, then ask again', needsGateway: true };
  const heir = upstream ? undefined : heirOf(pass, machine, runtime);
  if (heir)
    return {
      why: `${placeOf(heir)} stays as it is, and would take over its new Host`,
      instead: 'give that place a location of its own, or both a proxy_set_header Host, then ask again',
      needsGateway: true,
    };
  const included = pass.scope.directives.find((one) => one.file !== pass.line.file && mayNotStandTwice(pass).includes(one.name));
  if (included)
    return { why: `\`${included.name}\` comes from an included file, ${placeOf(included)}`, instead: `take it out there, or make the change by hand: goodgateway nginx --inline`, needsGateway: true };
  return undefined;
}

/** A proxy_pass inside of this one's location that stays, and has no headers of its own: nginx makes its Host up, too. */
function heirOf({ protocol, scope }: Pass, machine: Machine, runtime: string): Directive | undefined {
  if (protocol !== 'http' || inForce(scope, 'proxy_set_header').some(({ words }) => words[0]?.toLowerCase() === 'host')) return undefined;
  const stays = (line: Directive): boolean => {
    const known = machine.nginx?.read.passes.find((pass) => pass.line === line);
    return !known || whyLeftAlone(known, machine, runtime) !== undefined;
  };
  const inside = (directives: readonly Directive[]): readonly Directive[] =>
    directives.flatMap(({ block = [] }) => (block.some(({ name }) => name === 'proxy_set_header') ? [] : [...block.filter(({ name }) => name === 'proxy_pass'), ...inside(block)]));
  return inside(scope.directives).find(stays);
}

/** What is made of the text of proxy_pass, which is about to change. */
function madeOfPass(scope: Scope): Directive | undefined {
  const inherited = ['proxy_set_header', 'proxy_redirect'].flatMap((name) => inForce(scope, name));
  return [...scope.directives, ...inherited].find(({ words }) => words.some((word) => /\$\{?proxy_(host|port)\b/.test(word)));
}

/** Directives that the change sets, and that nginx takes only once in a block. */
export function mayNotStandTwice({ protocol }: Pick<Pass, 'protocol'>): readonly string[] {
  const prefix = protocol === 'http' ? 'proxy' : 'fastcgi';
  return [...['read_timeout', 'send_timeout', 'next_upstream'].map((name) => `${prefix}_${name}`), ...(protocol === 'http' ? ['proxy_http_version'] : [])];
}

/** The gateway that a pass leads to first: a socket of ours with the backend as backup. */
function gatewayOf({ upstream }: Pass, runtime: string): string | undefined {
  const [first, second] = upstream?.peers ?? [];
  const path = first?.address?.kind === 'unix' ? first.address.path : '';
  return second?.words.includes('backup') && path.startsWith(`${runtime}/`) ? /\/([^/]+)\.sock$/.exec(path)?.[1] : undefined;
}

function backendOf(pass: Pass, runtime: string): Address {
  return pass.addresses[gatewayOf(pass, runtime) === undefined ? 0 : 1] ?? pass.addresses[0]!;
}

/** Of several gateways the one that nginx leads to. */
function nameThere(passes: readonly Pass[], runtime: string, gateways: Readonly<Record<string, GatewayConfig>>): string | undefined {
  const [first] = passes;
  const address = backendOf(first!, runtime);
  const fitting = Object.keys(gateways).filter((name) => leadsTo(gateways[name]!, { address, protocol: first!.protocol }));
  const already = passes.flatMap((pass) => gatewayOf(pass, runtime) ?? []);
  return fitting.find((name) => already.includes(name)) ?? fitting[0] ?? already.find((name) => !(name in gateways));
}

interface Naming {
  readonly machine: Machine;
  readonly runtime: string;
  readonly taken: Set<string>;
  readonly untouched: ReadonlySet<string>;
  /** The name that it has already. */
  readonly given: string | undefined;
}

function backendFrom(passes: readonly Pass[], naming: Naming): Omit<Backend, 'service'> {
  const { machine, runtime, taken, untouched, given } = naming;
  const [first] = passes;
  const address = backendOf(first!, runtime);
  const behind = first!.protocol === 'fastcgi' ? behindFastcgi(address, machine) : behindHttp(address, machine);
  const direct = passes.filter((pass) => gatewayOf(pass, runtime) === undefined && !untouched.has(`${placeOf(pass.line)} ${whatOf(pass)}`));
  // a new block of nginx gets the gateway's name
  const blocks = first!.upstream ? [] : (machine.nginx?.read.upstreams ?? []).map((upstream) => upstream.name);
  const name = given ?? freeName(nameFor(first!, address, behind), new Set([...taken, ...blocks]));
  taken.add(name);
  return {
    name,
    address,
    behind,
    protocol: first!.protocol,
    passes: direct,
    passedAlready: passes.filter((pass) => gatewayOf(pass, runtime) !== undefined),
    readTimeoutMs: Math.max(...passes.map((pass) => readTimeoutMs(pass) - (gatewayOf(pass, runtime) === undefined ? 0 : beyondResponseMs))),
  };
}

function readTimeoutMs({ scope, protocol }: Pass): number {
  return nginxTimeMs(inForce(scope, protocol === 'http' ? 'proxy_read_timeout' : 'fastcgi_read_timeout')[0]?.words[0]) ?? defaultReadMs;
}

/** A master that systemd runs is its unit's, wherever its files are. */
function behindFastcgi(address: Address, { pools, listening }: Machine): Behind {
  const found = pools.find(({ pool }) => isSame(pool.listen, address));
  const unit = listensAtAddress(listening, address)?.process?.unit ?? found?.unit;
  return found ? { kind: 'php', found: { ...found, unit } } : { kind: 'elsewhere', why: 'no pool of php-fpm on this machine listens there' };
}

function behindHttp(address: Address, machine: Machine): Behind {
  const { apache, listening, isRoot } = machine;
  if (address.kind === 'tcp' && !isLoopback(address.host) && !listensAtAddress(listening, address)) return { kind: 'elsewhere', why: 'it is on another machine' };
  const owner = listensAtAddress(listening, address)?.process;
  const isApache = owner ? /^(apache2|httpd)$/.test(owner.comm) : address.kind === 'tcp' && apache?.ports.includes(address.port) === true;
  if (apache && isApache) return { kind: 'apache', apache };
  if (owner?.isContainer) return { kind: 'elsewhere', why: 'a container listens there: name it with `type: docker`, see policies/docker-app.yaml' };
  if (owner?.unit !== undefined) return { kind: 'unit', unit: owner.unit };
  if (owner) return { kind: 'elsewhere', why: `${owner.comm} (pid ${owner.pid}) listens there, and no unit of systemd runs it` };
  return { kind: 'elsewhere', why: isRoot ? 'nothing listens there now' : 'only root sees what listens there' };
}

/** Short, and the same at the next run: what people call it, else what it is. */
function nameFor({ upstream }: Pass, address: Address, behind: Behind): string {
  if (behind.kind === 'php') return behind.found.pool.name === 'www' ? `php${behind.found.version ?? ''}` : plainName(behind.found.pool.name);
  if (behind.kind === 'apache') return 'apache';
  if (upstream) return plainName(upstream.name);
  if (behind.kind === 'unit') return plainName(behind.unit.replace(/\.service$/, ''));
  return plainName(address.kind === 'unix' ? (/([^/]+?)(\.sock(et)?)?$/.exec(address.path)?.[1] ?? 'app') : isLoopback(address.host) ? `app-${address.port}` : formatAddress(address));
}

function freeName(wanted: string, taken: ReadonlySet<string>): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? wanted : `${wanted}-${count}`;
    if (!taken.has(name)) return name;
  }
}
