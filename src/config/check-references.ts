/**
 * What no single value can tell: names that must exist elsewhere, addresses that must differ. Reads the files as they
 * were written, so that a mistake in one place does not hide those in another.
 */
import { formatAddress, parseAddress, type Address } from '../core/failure.ts';
import { checkTls } from './check-tls.ts';
import { didYouMean } from './did-you-mean.ts';
import { formatPath, valueAt, type ConfigProblem, type Path } from './problem.ts';
import { gatewayPaths, itemPaths, oneOrManyPaths, textsAt, type PolicyEntry } from './written.ts';
import type { YamlDocument } from './yaml-document.ts';

export interface References {
  readonly host: YamlDocument;
  readonly policies: readonly PolicyEntry[];
  /** Whether every policy file could be read. If not, a service that is not found may be no mistake of its gateway. */
  readonly complete: boolean;
}

/** Every reference that leads nowhere and every address that is used twice. */
export function checkReferences(references: References): readonly ConfigProblem[] {
  const names = policyNames(references);
  const known = names.length === 0 ? services(references) : [];
  const { host } = references;
  return [...names, ...known, ...addresses(host), ...unsafeListeners(host), ...blindStandbys(host), ...checkTls(host), ...receivers(references), ...waitedFor(references), ...switches(references)];
}

function policyNames({ policies }: References): readonly ConfigProblem[] {
  const seen = new Map<string, string>();
  return policies.flatMap(({ document, path }) => {
    const name = valueAt(document.value, [...path, 'name']);
    if (typeof name !== 'string') return [];
    const first = seen.get(name);
    seen.set(name, first ?? document.file);
    return first === undefined ? [] : [document.problem([...path, 'name'], 'value', `name: there is a policy \`${name}\` already, in ${first}`)];
  });
}

function services({ host, policies, complete }: References): readonly ConfigProblem[] {
  const names = policies.map(({ document, path }) => valueAt(document.value, [...path, 'name'])).filter((name) => typeof name === 'string');
  if (!complete || names.length < policies.length) return [];
  return gatewayPaths(host).flatMap((path) => {
    const service = valueAt(host.value, [...path, 'service']);
    if (typeof service !== 'string' || names.includes(service)) return [];
    const known = names.length === 0 ? 'there are no policies' : `there are ${names.slice(0, 20).join(', ')}`;
    return [host.problem([...path, 'service'], 'value', `service: no policy has the name \`${service}\`${hint(service, names) || `; ${known}`}`)];
  });
}

/** Two listeners on one address cannot both start, and a gateway to itself would go round in circles. */
function addresses(host: YamlDocument): readonly ConfigProblem[] {
  const seen = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  for (const { path, address } of listeners(host)) {
    const text = formatAddress(address);
    const first = seen.get(text);
    if (first !== undefined) problems.push(host.problem(path, 'value', `${text} is the address of ${first} already: expected another one`));
    seen.set(text, first ?? formatPath(path));
  }
  for (const gateway of gatewayPaths(host)) {
    const path = [...gateway, 'upstream'];
    const upstream = addressAt(host, path);
    const own = upstream && seen.get(formatAddress(upstream));
    if (own) problems.push(host.problem(path, 'value', `upstream: expected where the backend listens, and this is ${own}, goodgateway itself`));
  }
  return problems;
}

function unsafeListeners(host: YamlDocument): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const { path, address } of listeners(host)) {
    if (address.kind === 'unix') continue;
    if (path[0] === 'admin' && !isLoopback(address.host)) problems.push(...adminForOthers(host, path, address));
    const gateway = path.slice(0, 2);
    const allowed = valueAt(host.value, [...gateway, 'listen_on_tcp_anyway']) === true || valueAt(host.value, [...gateway, 'protocol']) !== 'fastcgi';
    if (path[0] === 'gateways' && !allowed)
      problems.push(host.problem(path, 'value', "listen: FastCGI on TCP lets every local user run code as the pool's user: expected unix:/path, or listen_on_tcp_anyway: true beside it"));
  }
  return problems;
}

function adminForOthers(host: YamlDocument, path: Path, address: Address): readonly ConfigProblem[] {
  const wants = valueAt(host.value, ['admin', 'beyond_loopback']) === true;
  if (!wants)
    return [
      host.problem(
        path,
        'value',
        `admin: expected a loopback address or a unix socket, got ${formatAddress(address)}: others could read it; if that is meant, say beyond_loopback: true and token_file: beside it`,
      ),
    ];
  if (valueAt(host.value, ['admin', 'token_file']) === undefined)
    return [host.problem(path, 'value', `admin: expected token_file beside ${formatAddress(address)}: without a token everybody could read it`)];
  return [];
}

/** nginx asks the backend of a standby gateway itself: what fails there, only its log tells. */
function blindStandbys(host: YamlDocument): readonly ConfigProblem[] {
  return gatewayPaths(host)
    .filter((gateway) => valueAt(host.value, [...gateway, 'standby']) === true && valueAt(host.value, [...gateway, 'nginx_error_log']) === undefined)
    .map((gateway) => host.problem([...gateway, 'standby'], 'key', 'standby: expected nginx_error_log beside it, such as /var/log/nginx/error.log: what nginx fails at by itself stands only there'));
}

function receivers({ host, policies }: References): readonly ConfigProblem[] {
  const written = valueAt(host.value, ['notifiers']);
  const known = ['ops', ...(isObject(written) ? Object.keys(written) : [])];
  return policies.flatMap(({ document, path }) => {
    const rules = itemPaths(document, [...path, 'rules']);
    const asked = rules.flatMap((rule) => itemPaths(document, [...rule, 'try'])).map((rung) => [...rung, 'approval', 'from']);
    const told = rungsOf({ document, path }, 'notify').flatMap((rung) => oneOrManyPaths(document, [...rung, 'with', 'to']));
    const lists: readonly Path[] = [[...path, 'notify', 'to'], ...rules.map((rule) => [...rule, 'notify']), ...asked];
    return [...lists.flatMap((list) => itemPaths(document, list)), ...told].flatMap((at) => {
      const name = valueAt(document.value, at);
      if (typeof name !== 'string' || known.includes(name)) return [];
      return [document.problem(at, 'value', `${at.at(-2) === 'from' ? 'from' : 'notify'}: no notifier has the name \`${name}\`${hint(name, known) || `; there are ${known.join(', ')}`}`)];
    });
  });
}

/** Whoever waits for a service that does not exist waits in vain, and for itself for ever. */
function waitedFor({ policies, complete }: References): readonly ConfigProblem[] {
  const names = policies.map(({ document, path }) => valueAt(document.value, [...path, 'name'])).filter((name) => typeof name === 'string');
  if (!complete || names.length < policies.length) return [];
  return policies.flatMap(({ document, path }) => {
    const own = valueAt(document.value, [...path, 'name']);
    const waits = rungsOf({ document, path }, 'wait_for').flatMap((rung) => oneOrManyPaths(document, [...rung, 'with', 'services']));
    return waits.flatMap((at) => {
      const service = valueAt(document.value, at);
      if (typeof service !== 'string') return [];
      if (service === own) return [document.problem(at, 'value', `services: ${service} cannot wait for itself`)];
      if (names.includes(service)) return [];
      return [document.problem(at, 'value', `services: no policy has the name \`${service}\`${hint(service, names) || `; there are ${names.slice(0, 20).join(', ')}`}`)];
    });
  });
}

/** The steps of a policy that name this action. */
function rungsOf({ document, path }: PolicyEntry, action: string): readonly Path[] {
  const rungs = itemPaths(document, [...path, 'rules']).flatMap((rule) => itemPaths(document, [...rule, 'try']));
  return rungs.filter((rung) => valueAt(document.value, [...rung, 'do']) === action);
}

/** A step may narrow down where the upstream may be switched to, never widen it. */
function switches({ host, policies }: References): readonly ConfigProblem[] {
  return policies.flatMap(({ document, path }) => {
    const name = valueAt(document.value, [...path, 'name']);
    const own = gatewayPaths(host).filter((gateway) => valueAt(host.value, [...gateway, 'service']) === name);
    if (own.length === 0) return [];
    const allowed = own.flatMap((gateway) => textsAt(host, [...gateway, 'also_allowed']).concat(textsAt(host, [...gateway, 'upstream'])));
    return rungsOf({ document, path }, 'switch_upstream')
      .flatMap((rung) => oneOrManyPaths(document, [...rung, 'with', 'only_to']))
      .flatMap((at) => {
        const place = addressAt(document, at);
        if (place === undefined || allowed.some((text) => sameAddress(text, place))) return [];
        return [document.problem(at, 'value', `only_to: no gateway of ${String(name)} may go to ${formatAddress(place)}: add it to also_allowed of the gateway`)];
      });
  });
}

function sameAddress(text: string, address: Address): boolean {
  const parsed = parseAddress(text);
  return parsed !== undefined && formatAddress(parsed) === formatAddress(address);
}

function listeners(host: YamlDocument): readonly { readonly path: Path; readonly address: Address }[] {
  const paths = gatewayPaths(host).flatMap((gateway) => {
    return oneOrManyPaths(host, [...gateway, 'listen']);
  });
  return [...paths, ['admin'], ['admin', 'listen']].flatMap((path) => {
    const address = addressAt(host, path);
    return address ? [{ path, address }] : [];
  });
}

function addressAt(host: YamlDocument, path: Path): Address | undefined {
  const text = valueAt(host.value, path);
  return typeof text === 'string' ? parseAddress(text) : undefined;
}

function hint(word: string, candidates: readonly string[]): string {
  const meant = didYouMean(word, candidates);
  return meant === undefined ? '' : `: did you mean \`${meant}\`?`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
