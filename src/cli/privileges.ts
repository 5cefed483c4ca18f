import { readFileSync, statSync } from 'node:fs';
import { Command } from 'commander';
import type { Configuration } from '../config/load.ts';
import { allowedVerbs } from './allowed-verbs.ts';
import { configurationOrExplain } from './load-or-explain.ts';
import { polkitRule, sudoersLines } from './privilege-texts.ts';
import { complain, plain, printLine } from './terminal.ts';

interface PrivilegesOptions {
  readonly config?: string;
  readonly user: string;
  readonly polkit?: true;
  readonly sudoers?: true;
}

/** `goodgateway privileges`: what a healer that is not root needs, and what it cannot do. It changes nothing. */
export function privilegesCommand(): Command {
  return new Command('privileges')
    .description('what a healer needs that is not root: exactly the units and verbs of your policies')
    .option('--config <file>', 'goodgateway.yaml')
    .option('--user <name>', 'the user that the healer is to run as', 'goodgateway-healer')
    .option('--polkit', 'only the rule for polkit, as a file')
    .option('--sudoers', 'only lines for sudoers, as a file; the healer itself does not use sudo')
    .addHelpText('after', '\nExample:\n  goodgateway privileges --polkit > /etc/polkit-1/rules.d/50-goodgateway.rules')
    .action(async ({ config, user, polkit, sudoers }: PrivilegesOptions) => {
      if (!/^[a-z_][a-z0-9_-]{0,30}\$?$/.test(user)) return complain(`privileges: expected the name of a user, got ${user}`, 2);
      if (polkit && sudoers) return complain('privileges: say --polkit or --sudoers, not both', 2);
      const configuration = await configurationOrExplain(config);
      if (!configuration) return;
      const allowed = allowedVerbs([...configuration.policies.values()].map(({ policy }) => policy));
      if (polkit) return printLine(polkitRule(allowed, user).trimEnd());
      if (sudoers) return printLine(sudoersLines(allowed, user).trimEnd());
      await tell({ configuration, user, allowed });
    });
}

async function tell({ configuration, user, allowed }: { readonly configuration: Configuration; readonly user: string; readonly allowed: ReturnType<typeof allowedVerbs> }): Promise<void> {
  const group = configuration.host.proxy.group ?? 'www-data';
  const none = Object.keys(allowed.units).length === 0;
  const sections: readonly (readonly string[])[] = [
    [`# 1. The user, and the healer as that user`, `useradd --system --no-create-home --shell /usr/sbin/nologin ${user}`, '# /etc/systemd/system/goodgateway-healer.service.d/60-user.conf'],
    ['[Service]', `User=${user}`, "# the proxy's group: it must be able to speak to the healer, and the healer to the sockets of backends", `Group=${group}`],
    ['# adm: logs of Debian; systemd-journal: what units print', 'SupplementaryGroups=adm systemd-journal', 'CapabilityBoundingSet=', ''],
    ['# 2. /etc/polkit-1/rules.d/50-goodgateway.rules'],
    none ? ['# not needed: no policy that may act has a unit of systemd', ''] : [polkitRule(allowed, user)],
    ...(none
      ? []
      : [['# The healer calls systemctl, and systemd asks polkit: no sudo is used. Where a person or a script is to have the', '# same rights by sudo: goodgateway privileges --sudoers', '']]),
    ['# 3. Files that policies and gateways name', ...readRights(configuration), ''],
    ['# 4. What does not work without root', ...allowed.impossible.map((line) => `# - ${line}`), ...always.map((line) => `# - ${line}`)],
  ];
  for (const line of sections.flat()) for (const one of line.split('\n')) await printLine(plain(one));
}

const always = [
  'which files and sockets a process of another user has, and what its workers wait for: causes that need it stay "unknown" or "possible"',
  'the log of the kernel (/dev/kmsg), where kernel.dmesg_restrict is 1: that the kernel killed for want of memory is then known from systemd alone',
  'the rules of the firewall (nft, iptables): net.port_blocked is not found',
  'configuration tests that open files of root (nginx -t): they count as unknown, and a restart that needs one is refused',
  '`goodgateway do` with an action that no policy names: polkit refuses it',
];

/** Of each file who may read it beside its owner, and the command where that is nobody. */
function readRights({ host, policies }: Configuration): readonly string[] {
  const services = [...policies.values()].map(({ policy }) => policy.service);
  const logs = services.flatMap(({ log, pool }) => [log ?? [], pool ?? []].flat());
  const errorLogs = Object.values(host.gateways).flatMap(({ nginx_error_log: log }) => log ?? []);
  const files = [...new Set([...logs, ...errorLogs])];
  return files.length === 0 ? ['# none'] : files.map(readRight);
}

function readRight(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found) return `# ${file}: is not there`;
  if ((found.mode & 0o004) !== 0) return `# ${file}: everybody may read it`;
  const group = groupName(found.gid);
  return (found.mode & 0o040) !== 0 && found.gid !== 0
    ? `# ${file}: the group ${group} may read it${group === 'adm' ? '' : `: add it to SupplementaryGroups=`}`
    : `chgrp adm ${file} && chmod g+r ${file}`;
}

function groupName(gid: number): string {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.split(':')[2] === String(gid));
  return line?.split(':')[0] ?? String(gid);
}
