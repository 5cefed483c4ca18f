/**
 * What goodgateway.yaml says, as units: a socket for each gateway and for the admin listener, so that systemd holds the
 * addresses while goodgateway is restarted, and drop-ins with what the two services need beyond the usual.
 */
import { dirname } from 'node:path';
import { isIP } from 'node:net';
import type { HostConfig } from '../config/host-schema.ts';
import type { ServiceConfig } from '../config/policy-schema.ts';
import { formatAddress, type Address } from '../core/failure.ts';
import { healerArgv, proxyArgv, type Installation } from '../supervisor/entry-points.ts';
import { proxyReads, socketsOf } from './proxy-rights.ts';
import { defaultAccount, defaultConfig, healerService, homes, proxyCache, proxyService, target } from './service-units.ts';
import { unitCommand, unitText, unitWord, type UnitLine } from './unit-text.ts';

export interface ConfiguredHost {
  /** The path of goodgateway.yaml. */
  readonly file: string;
  readonly host: HostConfig;
  readonly services: readonly ServiceConfig[];
  readonly installation: Installation;
}

/** The beginning of each file that is written: only such are changed or removed again. */
export const writtenByUs = '# Written by `goodgateway units --write` from goodgateway.yaml: it is written anew when you do it again.\n';
const dropIn = '50-configuration.conf';
/** Before its own limits the proxy is to say no by itself: what it may keep of bodies, and what a held request costs. */
const proxyBytes = 512 * 1024 ** 2;
const heldRequestBytes = 96 * 1024;

/** Path below systemd's folder → text. */
export function configuredUnits(configured: ConfiguredHost): Readonly<Record<string, string>> {
  const sockets = socketUnits(configured.host);
  const units = {
    ...sockets,
    [`${target}.d/${dropIn}`]: unitText({ Unit: [['Wants', list(Object.keys(sockets))]] }),
    [`${proxyService}.d/${dropIn}`]: proxyDropIn(configured, Object.keys(sockets)),
    [`${healerService}.d/${dropIn}`]: healerDropIn(configured),
  };
  return Object.fromEntries(Object.entries(units).flatMap(([path, text]) => (text === '' ? [] : [[path, writtenByUs + text]])));
}

/** The addresses that a socket unit cannot hold, since it knows no names: the proxy binds them by itself. */
export function boundByProxy({ gateways, admin }: HostConfig): readonly string[] {
  const all = [...Object.values(gateways).flatMap(({ listen }) => listen), ...(admin ? [admin.listen] : [])];
  return all.filter((address) => streamOf(address) === undefined).map(formatAddress);
}

function socketUnits(host: HostConfig): Readonly<Record<string, string>> {
  const account = accountOf(host);
  const units = Object.entries(host.gateways).map(([name, { listen, socket }]) => {
    const rights = { user: socket.owner ?? account.user, group: socket.group ?? account.group, mode: socket.mode };
    return [`goodgateway-gateway-${name}.socket`, socketUnit(`goodgateway: where nginx finds the gateway ${name}`, listen, rights)] as const;
  });
  const admin = host.admin ? [['goodgateway-admin.socket', socketUnit('goodgateway: dashboard, metrics and health', [host.admin.listen], { ...account, mode: '0660' })] as const] : [];
  return Object.fromEntries([...units, ...admin].filter(([, text]) => text !== ''));
}

function socketUnit(description: string, listen: readonly Address[], rights: { readonly user: string; readonly group: string; readonly mode: string }): string {
  const streams = listen.map(streamOf).filter((stream) => stream !== undefined);
  if (streams.length === 0) return '';
  return unitText({
    Unit: [
      ['Description', description],
      ['PartOf', target],
      ['Before', 'nginx.service'],
    ],
    Socket: [
      ['Service', proxyService],
      ...streams.map((stream) => ['ListenStream', stream] as const),
      ...(listen.some(({ kind }) => kind === 'unix')
        ? ([
            ['SocketUser', rights.user],
            ['SocketGroup', rights.group],
            ['SocketMode', rights.mode],
            ['RemoveOnStop', 'yes'],
          ] as const)
        : []),
      ...(listen.some(({ kind }) => kind === 'tcp') ? ([['NoDelay', 'yes']] as const) : []),
      '# So many connections wait while the proxy is restarted; the kernel cuts it to net.core.somaxconn.',
      ['Backlog', '4096'],
    ],
  });
}

function streamOf(address: Address): string | undefined {
  if (address.kind === 'unix') return address.path.replaceAll('%', '%%');
  return isIP(address.host) === 0 ? undefined : formatAddress(address);
}

function accountOf({ proxy }: HostConfig): { readonly user: string; readonly group: string } {
  return { user: proxy.user ?? defaultAccount.user, group: proxy.group ?? defaultAccount.group };
}

function proxyDropIn({ file, host, installation }: ConfiguredHost, sockets: readonly string[]): string {
  const { access_log: log } = host;
  const reads = [...proxyReads(file, host), ...socketsOf(host).map((path) => dirname(path))];
  const rights = { reads, writes: [], appends: log ? [log.file] : [], cache: proxyCache, runtime: host.runtime };
  const kept = Object.values(host.gateways).reduce((sum, { hold }) => sum + hold.memory + hold.requests * heldRequestBytes, proxyBytes);
  const account = accountOf(host);
  return unitText({
    Service: [
      ...(sockets.length === 0 ? [] : ([['Sockets', list(sockets)]] as const)),
      ['User', account.user === defaultAccount.user ? undefined : account.user],
      ['Group', account.group === defaultAccount.group ? undefined : account.group],
      ['ExecStart', ''],
      ['ExecStart', unitCommand(proxyArgv(file, rights, installation))],
      ['MemoryMax', `${Math.ceil(kept / 1024 ** 2)}M`],
      ...accessLogLines(host),
      ...inSight(reads),
    ],
  });
}

/** A folder of its own below /var/log is made by systemd; any other must be there. */
function accessLogLines({ access_log: log, audit }: HostConfig): readonly UnitLine[] {
  if (!log) return [];
  const folder = dirname(log.file);
  const own = folder === audit.folder ? undefined : /^\/var\/log\/([^/]+)$/.exec(folder)?.[1];
  if (own !== undefined) return [['LogsDirectory', unitWord(own)]];
  // else it would be hidden with the healer's own files
  return [...(/^\/var\/(lib|log)\/goodgateway(\/|$)/.test(folder) ? ([['InaccessiblePaths', '']] as const) : []), ['ReadWritePaths', unitWord(folder)]];
}

/** What the sandbox hides, and this configuration needs. */
function inSight(paths: readonly string[]): readonly UnitLine[] {
  return [
    ['ProtectHome', homes(paths, 'yes') === 'yes' ? undefined : 'read-only'],
    ['PrivateTmp', paths.some((path) => /^\/(var\/)?tmp(\/|$)/.test(path)) ? 'no' : undefined],
  ];
}

function healerDropIn({ file, host, services, installation }: ConfiguredHost): string {
  const own = services.filter(({ type }) => type === 'process' || type === 'init');
  const writes = [host.state, host.audit.folder, host.runtime];
  return unitText({
    Service: [
      ...(file === defaultConfig
        ? []
        : ([
            ['ExecStart', ''],
            ['ExecStart', unitCommand(healerArgv(file, installation))],
          ] as const)),
      ...(homes(writes, 'yes') === 'yes' ? [] : ([['ProtectHome', 'no']] as const)),
      ...(own.length === 0 ? [] : unboxed),
    ],
  });
}

/** A service that the healer starts itself is its child: it would live, and die, within the healer's own limits. */
const unboxed: readonly UnitLine[] = [
  '# A policy has a service of type "process" or "init": the healer starts it, and it inherits what the healer may not do.',
  '# A unit of systemd for that service would let these lines go.',
  ['NoNewPrivileges', 'no'],
  ['CapabilityBoundingSet', '~'],
  ['ProtectSystem', 'no'],
  ['ProtectHome', 'no'],
  ['ProtectKernelModules', 'no'],
  ['ProtectKernelTunables', 'no'],
  ['ProtectControlGroups', 'no'],
  ['ProtectClock', 'no'],
  ['ProtectHostname', 'no'],
  ['LockPersonality', 'no'],
  ['RestrictNamespaces', 'no'],
  ['RestrictRealtime', 'no'],
  ['RestrictSUIDSGID', 'no'],
  ['RestrictAddressFamilies', ''],
  ['SystemCallArchitectures', ''],
  ['SystemCallFilter', ''],
  ['DevicePolicy', 'auto'],
  ['DeviceAllow', ''],
  ['MemoryMax', 'infinity'],
  ['OOMScoreAdjust', '0'],
];

function list(names: readonly string[]): string {
  return names.map(unitWord).join(' ');
}
