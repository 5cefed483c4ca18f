/** Something between the gateway and the service keeps connections away: a packet filter, or a route. The service itself may be well. */
import type { Confidence, Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { currentAddress, factOf, factsOf, sentences, stateOf, type Fact } from './read-case.ts';

const avoid = ['Do not restart the service: it never sees these connections.', 'Do not flush the whole packet filter, and do not switch it off: name the one rule.'];

/**
 * Certain when a rule that names the port, and nothing else, counted our own connect; likely when one that names it fits
 * how the connect fails, or one that asks for more counted something, or a general one counted it in front of a listener with an empty queue; possible when only the way in which the
 * connect fails speaks for it. Silent about an ordinary refusal with nobody listening.
 */
export const netPortBlocked: Cause = {
  name: 'net.port_blocked',
  suspect(file) {
    const blocked = factOf(file, 'blocked_connect');
    if (!blocked || stateOf(file) === 'failed' || stateOf(file) === 'stopped') return undefined;
    const rule = factsOf(file, 'firewall_rule').find((each) => byRule(each, blocked) !== undefined);
    const confidence = rule && byRule(rule, blocked);
    if (rule && confidence) return ruled(file, { rule, blocked, confidence });
    return routed(file, blocked) ?? guessed(file, blocked);
  },
};

function byRule(rule: Fact, blocked: Fact): Confidence | undefined {
  // one that asks for more may have counted somebody else
  if (rule.flag('exact') && rule.flag('moved')) return rule.flag('narrowed') ? 'likely' : 'certain';
  if (rule.flag('exact') && !rule.flag('narrowed')) return 'likely';
  return rule.flag('moved') && blocked.word('listening') === 'yes' ? 'likely' : undefined;
}

function ruled(file: CaseFile, { rule, blocked, confidence }: { readonly rule: Fact; readonly blocked: Fact; readonly confidence: Confidence }): Suspect {
  const at = currentAddress(file);
  return {
    cause: 'net.port_blocked',
    confidence,
    subject: `${rule.word('tool')} ${rule.word('place')}`,
    sentence: `A rule of ${rule.word('tool')} ${rule.word('verdict')}s connections to ${at}: "${rule.word('rule')}" in ${rule.word('place')}.`,
    because: sentences(blocked, rule, factOf(file, 'service_state')),
    against: sentences(
      !rule.flag('moved') && 'The rule does not count, so nobody saw that it met our connect.',
      !rule.flag('exact') && 'The rule does not name the port; other packets may have moved its counter.',
      rule.flag('exact') && rule.flag('moved') && rule.flag('narrowed') && 'The rule asks for more than the port; packets of others may have moved its counter.',
    ),
    remedy: `Look at the rule: ${rule.word('look')}; let the port through: ${rule.word('allow')}`,
    avoid,
  };
}

const routes: Readonly<Record<string, string>> = {
  ENETUNREACH: 'there is no route to it',
  EINVAL: 'a blackhole route swallows what is sent to it',
  EACCES: 'a route prohibits it',
};

/** What the kernel itself says of its routes. EACCES may be SELinux's word as well, where that enforces. */
function routed(file: CaseFile, blocked: Fact): Suspect | undefined {
  const why = routes[blocked.word('result')];
  if (why === undefined || (blocked.word('result') === 'EACCES' && blocked.flag('selinux'))) return undefined;
  const at = currentAddress(file);
  const host = at.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '');
  return {
    cause: 'net.port_blocked',
    confidence: 'likely',
    subject: at,
    sentence: `No connection can be made to ${at}: ${why}.`,
    because: sentences(blocked),
    against: [],
    remedy: `Look at the route: ip route get ${host}`,
    avoid: avoid.slice(0, 1),
  };
}

/** Nobody saw a rule, but nothing else that is known makes a connect fail like this. */
function guessed(file: CaseFile, blocked: Fact): Suspect | undefined {
  const result = blocked.word('result');
  const listening = blocked.word('listening') === 'yes';
  const rejected = result === 'EHOSTUNREACH' && blocked.word('neighbour') !== 'gone';
  if (!listening && !rejected) return undefined;
  const at = currentAddress(file);
  const how = result === 'timeout' ? 'drops' : 'rejects';
  return {
    cause: 'net.port_blocked',
    confidence: 'possible',
    subject: at,
    sentence: `Something ${how} connections to ${at}; a packet filter does that${listening ? ', here or in another network namespace' : ', here or on the way'}.`,
    because: sentences(blocked),
    against: sentences(blocked.flag('rulesRead') ? 'No rule of this host that could be read fits.' : 'Not all rules of this host could be read.'),
    remedy: `Look at the rules on the way to ${at}: nft list ruleset, iptables -nvL; in the cloud its security group.`,
    avoid,
  };
}
