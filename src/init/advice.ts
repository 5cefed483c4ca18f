/** What a person has to do, because `init` cannot or should not: each a sentence with the cure. */
import { formatAddress } from '../core/failure.ts';
import type { Directive } from '../doctor/nginx/parse-nginx.ts';
import { blocks, inForce, placeOf, type Nginx, type Pass } from '../doctor/nginx/passes.ts';
import { isSame } from '../doctor/who-passes.ts';
import type { FoundNginx, Machine } from './machine.ts';
import type { InitPlan } from './plan-init.ts';

export function adviceFor(machine: Machine, { backends, policies, nginx }: Pick<InitPlan, 'backends' | 'policies' | 'nginx'>, nginxFile: string): readonly string[] {
  if (!machine.nginx) return [withoutNginx(machine, nginxFile)];
  const unknown = unknownPasses(machine.nginx.read);
  return [
    ...brokenNginx(machine.nginx),
    ...unknown.map(spokenPass),
    ...(backends.length === 0 && unknown.length === 0 ? [withoutBackends(machine)] : []),
    // where a variable leads is not known: it may be there
    ...(backends.length === 0 || unknown.some(({ name }) => name === 'fastcgi_pass')
      ? []
      : unpassedPools(
          machine,
          backends.map(({ address }) => address),
        )),
    ...remoteIp(machine, backends),
    ...anotherProxy(nginx?.changed ?? []),
    ...(nginx?.changed ?? []).filter(losesItsCache).map(coldCache),
    ...policies
      .filter(({ external }) => external !== undefined)
      .map(({ name, external }) => `${name} is only looked at from outside, and never started: ${external}. Its policy can say more: policies.d/${name}.yaml, \`service:\``),
    ...(nginx && machine.nginx.group === undefined ? ['nginx\'s group is not known: write it into every gateway, `socket: { group: … }`, or nginx gets "permission denied" and uses the backup'] : []),
  ];
}

function withoutNginx({ apache, unseen }: Machine, file: string): string {
  if (unseen.some(({ subject }) => subject === 'nginx')) return `This user may not read ${file}: ask again as root`;
  if (!apache) return `There is no ${file}. goodgateway stands between nginx and a backend: install nginx, or name its main file with --nginx-conf`;
  const ports = apache.ports.length > 0 ? ` on port ${apache.ports.join(', ')}` : '';
  return `Apache answers the visitors by itself${ports}, and goodgateway stands between nginx and a backend. Let Apache listen on 127.0.0.1:8080 (its Listen lines), install nginx with proxy_pass http://127.0.0.1:8080 in front of it, then: goodgateway init`;
}

function brokenNginx({ test, file }: FoundNginx): readonly string[] {
  if (test.kind !== 'fails') return [];
  return [`nginx -t fails, so nothing of nginx is changed until it passes (a reload now would be refused, a restart would be an outage). It says: ${test.output}. Then: nginx -t -c ${file}`];
}

function withoutBackends({ pools }: Machine): string {
  const pool = pools[0]?.pool;
  if (!pool) return 'nginx passes nothing on that goodgateway could look after: no fastcgi_pass, and no proxy_pass to a known address; and there is no php-fpm. Static files need no gateway';
  return `nginx passes nothing on, although php-fpm listens at ${formatAddress(pool.listen)}: let a location do so (Debian's sites-available/default has one behind "#": location ~ \\.php$), with fastcgi_pass ${formatAddress(pool.listen)}; then: goodgateway init`;
}

/** Places that pass to something, and are not among those that were looked at. */
function unknownPasses(nginx: Nginx): readonly Directive[] {
  const known = new Set(nginx.passes.map(({ line }) => line));
  const places = ['location', 'if', 'limit_except'].flatMap((name) => blocks(nginx, name)).flatMap(({ directives }) => directives);
  const unknown = places.filter((one) => ['uwsgi_pass', 'scgi_pass', 'grpc_pass', 'fastcgi_pass', 'proxy_pass'].includes(one.name) && !known.has(one));
  return [...new Map(unknown.map((one) => [placeOf(one), one])).values()];
}

function spokenPass(line: Directive): string {
  const place = `${placeOf(line)}: ${line.name} ${line.words[0] ?? ''} stays as it is`;
  const [, protocol] = /^(uwsgi|scgi|grpc)_pass$/.exec(line.name) ?? [];
  if (protocol !== undefined) return `${place}: goodgateway speaks HTTP and FastCGI, and no ${protocol}`;
  return `${place}: where it leads only a request tells. With an address in the place of the variable it can get a gateway: then goodgateway init again`;
}

function unpassedPools({ pools }: Machine, addresses: readonly Parameters<typeof isSame>[0][]): readonly string[] {
  const unused = pools.filter(({ pool }) => !addresses.some((address) => isSame(address, pool.listen)));
  return unused.map(
    ({ pool, version }) => `nginx passes nothing to the pool ${pool.name} of php-fpm${version === undefined ? '' : ` ${version}`} (${formatAddress(pool.listen)}), so it gets no gateway`,
  );
}

/** Behind a proxy all visitors are one address to it, and mod_evasive and its like shut everybody out. */
function remoteIp({ apache }: Machine, backends: InitPlan['backends']): readonly string[] {
  if (!apache || apache.remoteIp || !backends.some(({ behind }) => behind.kind === 'apache')) return [];
  return [
    "Apache does not know the visitors' addresses, so limits by address would hit everybody at once: a2enmod remoteip, and in its configuration: RemoteIPHeader X-Forwarded-For and RemoteIPInternalProxy 127.0.0.1",
  ];
}

/** nginx's own key begins with the text of proxy_pass, as `$proxy_host` does. A key that is written in the location itself was looked at before. */
function losesItsCache({ protocol, scope, upstream }: Pass): boolean {
  const cache = inForce(scope, 'proxy_cache')[0]?.words[0];
  if (protocol !== 'http' || upstream || cache === undefined || cache === 'off') return false;
  const [key] = inForce(scope, 'proxy_cache_key');
  return key === undefined || key.words.some((word) => /\$\{?proxy_(host|port)\b/.test(word));
}

function coldCache({ line, scope }: Pass): string {
  const key = inForce(scope, 'proxy_cache_key').length === 0 ? "nginx's own key begins with" : 'its proxy_cache_key holds';
  return `${placeOf(line)}: its cache (proxy_cache ${inForce(scope, 'proxy_cache')[0]?.words[0]}) is empty after the change, because ${key} the address in proxy_pass: make the change while few visitors are there`;
}

/** A visitor could make up what a proxy says, so goodgateway takes nginx's own word: that must be the visitor's address. */
function anotherProxy(changed: readonly Pass[]): readonly string[] {
  const isNew = changed.some(
    ({ protocol, scope }) => protocol === 'http' && inForce(scope, 'set_real_ip_from').length === 0 && !inForce(scope, 'proxy_set_header').some(({ words }) => words[0]?.toLowerCase() === 'x-real-ip'),
  );
  if (!isNew) return [];
  return [
    'If another proxy or a CDN stands in front of nginx: its X-Real-IP and X-Request-Id pass through nginx today, and will be replaced by $remote_addr and $request_id. Tell nginx first who the visitor is: set_real_ip_from ITS-ADDRESS; real_ip_header X-Forwarded-For; or set both headers yourself: what is set stays',
  ];
}
