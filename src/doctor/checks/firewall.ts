/** Ports of this host that a rule of its own firewall keeps away from nginx and the gateways. Needs root. */
import { formatAddress } from '../../core/failure.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { isLoopback } from '../who-passes.ts';
import { parseNftRules } from '../nft-rules.ts';
import { blockedBy, parseIptablesSave, type RuleSet } from '../packet-filter.ts';
import { tcpTargets } from '../tcp-targets.ts';

const tools: readonly { readonly paths: readonly string[]; readonly words: readonly string[]; parse(text: string): RuleSet | undefined }[] = [
  { paths: ['/usr/sbin/nft', '/sbin/nft'], words: ['-j', 'list', 'ruleset'], parse: parseNftRules },
  // nft does not understand all of what iptables has put there
  { paths: ['/usr/sbin/iptables-save', '/sbin/iptables-save'], words: [], parse: parseIptablesSave },
  { paths: ['/usr/sbin/iptables-legacy-save', '/sbin/iptables-legacy-save'], words: [], parse: parseIptablesSave },
];
const largestBytes = 4 * 1024 ** 2;

export const firewall: Check = {
  name: 'firewall',
  family: 'port',
  deadlineMs: 15_000,
  finds: { 'port-blocked': { severity: 'serious', when: 'a rule of nftables or iptables drops or rejects connections to a local TCP port that nginx or a gateway connects to' } },
  check: async (context, signal) => {
    const targets = tcpTargets(context).filter(({ address }) => isLoopback(address.host) && address.host !== '::1');
    if (targets.length === 0) return { findings: [] };
    const { sets, missing } = await readRuleSets(context, signal);
    const findings = targets.flatMap(({ address, place, who }): CheckResult['findings'] => {
      const found = sets.flatMap((set) => blockedBy(set, address.port) ?? [])[0];
      if (!found) return [];
      return [
        {
          id: 'port-blocked',
          subject: formatAddress(address),
          what: `${who} connects to ${formatAddress(address)}, and the firewall ${found.verdict}s that: ${found.text}.`,
          why: found.verdict === 'drop' ? 'Each request waits for the connect timeout and then gets "504 Gateway Time-out".' : 'Each connect is refused: "502 Bad Gateway", as if nobody listened.',
          change: found.tool === 'nft' ? `nft insert rule ${found.chain} iif lo accept` : `iptables -I ${found.chain} -i lo -j ACCEPT`,
          source: place,
        },
      ];
    });
    return { findings, unseen: missing.map((why) => ({ subject: 'firewall rules', why })) };
  },
};

async function readRuleSets({ files, outside }: DoctorContext, signal: AbortSignal): Promise<{ readonly sets: readonly RuleSet[]; readonly missing: readonly string[] }> {
  const sets: RuleSet[] = [];
  const missing: string[] = [];
  for (const { paths, words, parse } of tools) {
    const program = await files.first(paths);
    if (program === undefined) continue;
    if (!outside.isRoot) return { sets, missing: [`${program} needs root`] };
    const result = await outside.run.run([program, ...words], { timeoutMs: 2000, signal, outputBytes: largestBytes });
    const set = result.exitCode === 0 ? parse(result.output) : undefined;
    if (set) sets.push(set);
    else missing.push(`${program} did not tell its rules: ${(result.startError ?? result.output).slice(0, 200)}`);
  }
  return { sets, missing };
}
