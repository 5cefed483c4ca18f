/** Backends → the text of goodgateway.yaml. The same machine gives the same text. */
import { formatAddress } from '../core/failure.ts';
import { inForce } from '../doctor/nginx/passes.ts';
import type { Backend } from './backend.ts';
import type { Machine } from './machine.ts';

/** Where things are that the machine itself does not say. */
export interface Places {
  readonly runtime: string;
  readonly state: string;
  readonly audit: string;
  readonly admin: string;
  /** The `proxy` of the configuration that is there already, as one line of YAML. */
  readonly proxy: string | undefined;
}

export const usualPlaces = { runtime: '/run/goodgateway', state: '/var/lib/goodgateway', audit: '/var/log/goodgateway', admin: '127.0.0.1:9180' } as const;

/** Where nginx is not known. */
const heldWithoutNginx = 200;
/** A held request costs up to 96 KiB: this many are 100 MB. */
const heldAtMost = 1000;

/** Ready to be written; at least one backend. */
export function hostText(backends: readonly Backend[], machine: Machine, places: Places): string {
  const requests = heldByEach(backends.length, machine);
  return [
    '# Made by `goodgateway init`. It is yours now: change what you like, then: goodgateway check',
    '# Every key: docs/configuration.md',
    'version: 1',
    'gateways:',
    ...backends.flatMap((backend) => gatewayLines(backend, machine, { requests, runtime: places.runtime })),
    `admin: ${places.admin}              # dashboard, /readyz, /metrics; read-only`,
    ...proxyLines(machine, places),
    ...(places.runtime === usualPlaces.runtime ? [] : [`runtime: ${quoted(places.runtime)}`]),
    ...(places.state === usualPlaces.state ? [] : [`state: ${quoted(places.state)}`]),
    ...(places.audit === usualPlaces.audit ? [] : [`audit: { folder: ${quoted(places.audit)} }`]),
    '',
  ].join('\n');
}

/** All gateways together hold at most worker_connections x workers / 8: each request costs nginx two connections. */
export function heldByEach(gateways: number, { nginx }: Machine): number {
  const all = nginx ? Math.min(heldAtMost, Math.floor((nginx.workerConnections * nginx.workers) / 8)) : heldWithoutNginx;
  return Math.max(1, Math.floor(all / gateways));
}

function gatewayLines(backend: Backend, { nginx }: Machine, { requests, runtime }: { readonly requests: number; readonly runtime: string }): readonly string[] {
  const { name, service, address, protocol, readTimeoutMs } = backend;
  const response = seconds(readTimeoutMs);
  const log = errorLogOf(backend);
  return [
    `  ${quoted(name)}:`,
    `    listen: ${quoted(`unix:${runtime}/${name}.sock`)}`,
    ...(nginx?.group === undefined ? [] : [`    socket: { group: ${nginx.group} }          # nginx's: it must be able to open the socket`]),
    `    protocol: ${protocol}`,
    `    upstream: ${quoted(formatAddress(address))}`,
    `    service: ${quoted(service)}              # the policy: policies.d/${service}.yaml`,
    `    timeouts: { response: ${response}, idle: ${response} }     # as long as nginx waits today`,
    `    hold: { requests: ${requests} }              # nginx's worker_connections x workers / 8, for all gateways together`,
    ...(log === undefined ? [] : [`    nginx_error_log: ${quoted(log)}`]),
  ];
}

/** Started by root, the proxy gets a user that can do no more than nginx's. */
function proxyLines({ isRoot, hasOwnUser, nginx }: Machine, { proxy }: Places): readonly string[] {
  if (proxy !== undefined) return [`proxy: ${proxy}`];
  if (!isRoot || nginx?.group === undefined || nginx.user === undefined) return [];
  return [`proxy: { user: ${hasOwnUser ? 'goodgateway' : nginx.user}, group: ${nginx.group} }`];
}

function errorLogOf({ passes, passedAlready }: Backend): string | undefined {
  // what is new since must not change what was written
  const written = inForce([...passedAlready, ...passes][0]?.scope, 'error_log')[0]?.words[0];
  return written?.startsWith('/') && !written.startsWith('/dev/') ? written : undefined;
}

function seconds(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** What YAML takes for a number, a truth or nothing. */
const noText = /^(null|true|false|\d[\da-fox.e+-]*)$/i;

/** Plain YAML where that is the same text. */
function quoted(text: string): string {
  return /^[A-Za-z0-9/._:-]+$/.test(text) && !noText.test(text) ? text : JSON.stringify(text);
}
