/**
 * The two services and their target, as every installation has them: only the paths of the program differ. What depends
 * on goodgateway.yaml is in drop-ins ({@link configuredUnits}). Each line that a stricter sandbox would have, and that is
 * missing here, has its reason beside it.
 */
import { healerArgv, proxyArgv, type Installation } from '../supervisor/entry-points.ts';
import { unitCommand, unitText, type UnitLine } from './unit-text.ts';

/** Where units are written to. */
export const usualFolder = '/etc/systemd/system';
/** Where packages put theirs; systemd prefers {@link usualFolder}. */
export const packageFolder = '/usr/lib/systemd/system';

export const defaultConfig = '/etc/goodgateway/goodgateway.yaml';
/** Where nothing else is configured. */
export const defaultAccount = { user: 'goodgateway', group: 'www-data' } as const;
export const proxyService = 'goodgateway-proxy.service';
export const healerService = 'goodgateway-healer.service';
export const target = 'goodgateway.target';
/** Node's compiled code, for a start in half the time. Each process has its own: who may write it decides what is executed. */
export const proxyCache = '/var/cache/goodgateway-proxy';
const healerCache = '/var/cache/goodgateway-healer';

/** How long the proxy's own 10 s for answers under way may take at most, with a margin. */
const stopSeconds = 15;

/** Name → text. */
export function serviceUnits(installation: Installation): Readonly<Record<string, string>> {
  return { [target]: targetUnit(), [proxyService]: proxyUnit(installation), [healerService]: healerUnit(installation) };
}

function targetUnit(): string {
  return unitText({
    Unit: [
      ['Description', 'goodgateway: proxy and healer'],
      ['Wants', `${proxyService} ${healerService}`],
    ],
    Install: [['WantedBy', 'multi-user.target']],
  });
}

/** What both can do without. */
const never: readonly UnitLine[] = [
  ['NoNewPrivileges', 'yes'],
  ['LockPersonality', 'yes'],
  ['ProtectClock', 'yes'],
  ['ProtectControlGroups', 'yes'],
  ['ProtectHostname', 'yes'],
  ['ProtectKernelModules', 'yes'],
  ['ProtectKernelTunables', 'yes'],
  ['RestrictNamespaces', 'yes'],
  ['RestrictRealtime', 'yes'],
  ['RestrictSUIDSGID', 'yes'],
  ['SystemCallArchitectures', 'native'],
  '# MemoryDenyWriteExecute= is missing: Node compiles JavaScript to machine code while it runs.',
];

function proxyUnit(installation: Installation): string {
  const rights = { reads: ['/etc/goodgateway', '/run', '/etc/passwd', '/etc/group'], writes: [], appends: [], cache: proxyCache, runtime: '/run/goodgateway' };
  return unitText({
    Unit: [
      ['Description', 'goodgateway proxy, between nginx and its backends'],
      ['Documentation', 'man:systemd.socket(5)'],
      ['After', 'network.target'],
      ['PartOf', target],
      '# A proxy that cannot start must not keep nginx waiting: after so many starts systemd gives up and closes the',
      '# sockets, and nginx uses its backup line. Then: goodgateway check; systemctl start goodgateway.target',
      ['StartLimitIntervalSec', '30'],
      ['StartLimitBurst', '6'],
    ],
    Service: [
      ['Type', 'exec'],
      ['User', defaultAccount.user],
      "# nginx's group: it opens the backend's socket, and the proxy's where no socket unit made it.",
      ['Group', defaultAccount.group],
      ['Environment', `NODE_COMPILE_CACHE=${proxyCache}`],
      ['ExecStart', unitCommand(proxyArgv(defaultConfig, rights, installation))],
      ['ExecReload', '/bin/kill -HUP $MAINPID'],
      ['Restart', 'always'],
      ['RestartSec', '100ms'],
      ['TimeoutStopSec', `${stopSeconds}s`],
      ['CacheDirectory', 'goodgateway-proxy'],
      ['CacheDirectoryMode', '0700'],
      ['LimitNOFILE', '65536'],
      ['MemoryMax', '1G'],
      ['OOMScoreAdjust', '-500'],
      '',
      ...never,
      '# Whoever takes the proxy over gets nothing with it: no capability, nothing to write to but its cache, no device.',
      ['CapabilityBoundingSet', ''],
      ['AmbientCapabilities', ''],
      ['ProtectSystem', 'strict'],
      ['ProtectHome', homes([installation.folder, installation.node], 'yes')],
      ['PrivateTmp', 'yes'],
      ['PrivateDevices', 'yes'],
      ['ProtectProc', 'invisible'],
      ['ProcSubset', 'pid'],
      ['ProtectKernelLogs', 'yes'],
      ['InaccessiblePaths', '-/var/lib/goodgateway -/var/log/goodgateway'],
      ['RemoveIPC', 'yes'],
      ['UMask', '0027'],
      ['RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6'],
      ['SystemCallFilter', '@system-service'],
      ['SystemCallFilter', '~@privileged @resources'],
      ['SystemCallErrorNumber', 'EPERM'],
      '# PrivateNetwork= and IPAddressDeny= are missing: backends may be anywhere.',
      "# PrivateUsers= is missing: whose a socket is decides whether it is believed to be the healer's.",
    ],
  });
}

function healerUnit(installation: Installation): string {
  return unitText({
    Unit: [
      ['Description', 'goodgateway healer, which looks after the backends'],
      ['After', 'network.target'],
      ['PartOf', target],
      '# However often it ends: without it nothing is repaired, and nobody else would start it.',
      ['StartLimitIntervalSec', '0'],
    ],
    Service: [
      '# It says itself when it is ready, by systemd-notify, which is a process of its own.',
      ['Type', 'notify'],
      ['NotifyAccess', 'all'],
      '# Told every 10 s, and only while every service was looked at in time.',
      ['WatchdogSec', '30s'],
      ['Environment', `NODE_COMPILE_CACHE=${healerCache}`],
      ['ExecStart', unitCommand(healerArgv(defaultConfig, installation))],
      ['ExecReload', '/bin/kill -HUP $MAINPID'],
      ['Restart', 'always'],
      ['RestartSec', '1s'],
      ['TimeoutStopSec', `${stopSeconds}s`],
      '# A service of type "process" that the healer started lives on when the healer is restarted.',
      ['KillMode', 'process'],
      ['OOMPolicy', 'continue'],
      ['RuntimeDirectory', 'goodgateway'],
      "# The proxy's sockets are in it, too.",
      ['RuntimeDirectoryPreserve', 'yes'],
      ['StateDirectory', 'goodgateway'],
      ['StateDirectoryMode', '0700'],
      ['LogsDirectory', 'goodgateway'],
      ['LogsDirectoryMode', '0750'],
      ['CacheDirectory', 'goodgateway-healer'],
      ['CacheDirectoryMode', '0700'],
      ['MemoryMax', '1G'],
      ['OOMScoreAdjust', '-500'],
      '',
      '# It is root: it reads /proc of other users, their logs and sockets, and has systemd restart units. As another user',
      '# it can do less: goodgateway privileges.',
      ...never,
      '# chown: its socket is given to the group of the proxy. dac, fowner: logs, pidfiles and sockets of all users. kill:',
      '# workers are ended. setuid, setgid: programs run as the users that policies name. sys_ptrace: whose sockets and files',
      '# a process has. net_admin: rules of the firewall are read. net_bind_service: nginx -t binds its ports. syslog:',
      '# /dev/kmsg tells whom the kernel killed.',
      ['CapabilityBoundingSet', 'CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_SETUID CAP_SETGID CAP_SYS_PTRACE CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_SYSLOG'],
      '# ProtectSystem=strict is missing: configuration tests (nginx -t) open the logs and pidfiles of their service.',
      ['ProtectSystem', 'full'],
      ['ProtectHome', 'read-only'],
      '# PrivateTmp=, PrivateDevices=, ProtectProc=, ProcSubset=, ProtectKernelLogs= are missing: sockets in /tmp, /dev/kmsg and',
      '# the processes of others are what it looks at.',
      ['DevicePolicy', 'closed'],
      ['DeviceAllow', '/dev/kmsg r'],
      ['UMask', '0022'],
      '# netlink: ss, ip and nft are asked what the network does.',
      ['RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6 AF_NETLINK'],
      ['SystemCallFilter', '@system-service'],
      ['SystemCallErrorNumber', 'EPERM'],
    ],
  });
}

/** How much of people's folders may be hidden when these paths are needed: `otherwise`, where none of them is in one. */
export function homes(paths: readonly string[], otherwise: 'yes' | 'read-only'): 'yes' | 'read-only' {
  return paths.some((path) => /^\/(home|root|run\/user)(\/|$)/.test(path)) ? 'read-only' : otherwise;
}
