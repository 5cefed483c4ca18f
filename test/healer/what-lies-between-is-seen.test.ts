/** Packet filters, routes, ports and name servers, for real, in namespaces of the test's own. */
import { join } from 'node:path';
import t from 'tap';
import type { CauseName, Confidence, Evidence } from '../../src/core/diagnosis.ts';
import * as registered from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import { caseFile, evidence, serviceTarget, type Scene } from '../fixtures/healer/case-file.ts';
import { commandsFor } from '../../src/healer/probes/firewall.ts';
import { isOnTheWay } from '../../src/healer/probes/read-blocking-rule.ts';
import { parseIptables } from '../../src/healer/probes/read-iptables.ts';
import { parseNft } from '../../src/healer/probes/read-nft.ts';
import { finish } from '../support/program.ts';
import { isRoot, missing } from '../support/skip.ts';
import { tempFolder } from '../support/temp-folder.ts';

const causes = Object.values(registered);
const skip = isRoot ? missing('ip', 'iptables', 'nft', 'unshare') : 'needs root, for namespaces';

interface Expected {
  readonly best: readonly [CauseName, Confidence];
  /** What the sentence and the remedy say. */
  readonly says?: RegExp;
  readonly symptom?: Scene['symptom'];
}

const scenes: Readonly<Record<string, Expected>> = {
  'nothing in the way': { best: ['unknown', 'possible'] },
  'nobody listens': { best: ['net.port_moved', 'likely'] },
  'iptables drops': {
    best: ['net.port_blocked', 'certain'],
    says: /A rule of iptables drops connections to 127\.0\.0\.1:9000: "-p tcp -m tcp --dport 9000 -j DROP" in filter INPUT\..* iptables -t filter -nvL INPUT --line-numbers; let the port through: iptables -t filter -I INPUT -i lo -p tcp --dport 9000 -j ACCEPT$/,
  },
  'iptables rejects': { best: ['net.port_blocked', 'certain'], says: /rejects connections to .*--dports 80,9000:9010 -j REJECT/ },
  'nft drops': { best: ['net.port_blocked', 'certain'], says: /A rule of nft drops .*"tcp dport \{ 80, 9000-9010 \} drop" in inet f in\..*nft insert rule inet f in iif lo tcp dport 9000 accept$/ },
  'nft rejects, without a counter': { best: ['net.port_blocked', 'likely'], says: /nft rejects .*"tcp dport 9000 reject" in inet f in/ },
  'everything is dropped': { best: ['net.port_blocked', 'likely'], says: /-P INPUT DROP/ },
  'other ports are dropped': { best: ['unknown', 'possible'] },
  'a route prohibits it': { best: ['net.port_blocked', 'likely'], says: /No connection can be made to 10\.9\.9\.9:9000: a route prohibits it\..*ip route get 10\.9\.9\.9/ },
  'the line is full': { best: ['load.network', 'likely'], says: /The line to shop is full: lo throws away \d+ % .*tc -s qdisc show dev lo/ },
  'no local port is left': { best: ['capacity.ports_exhausted', 'certain'], says: /no local port left for another connection to 127\.0\.0\.1:9002\..*ip_local_port_range/ },
  'the name does not exist': { best: ['config.dns', 'certain'], says: /The name backend\.shop\.example does not exist\..*getent ahosts backend\.shop\.example/ },
  'the name server is silent': { best: ['config.dns', 'certain'], says: /No name server of this host answers.*resolv\.conf/ },
  'the zone of the name is broken': { best: ['config.dns', 'likely'], says: /The name backend\.shop\.example does not resolve\./ },
  'the name leads past the service': { best: ['config.dns', 'likely'], says: /leads to 127\.0\.0\.9, where no connection is taken; shop listens on 127\.0\.0\.1\./ },
};

t.test('in a namespace', { skip }, async (t) => {
  const script = join(import.meta.dirname, '../fixtures/healer/looks-through-a-namespace.ts');
  const { output, code } = await finish(['/usr/bin/unshare', '--net', '--mount', process.execPath, script, tempFolder(t)]);
  t.equal(code, 0, output.slice(-2000));
  const played = new Map(
    output
      .trim()
      .split('\n')
      .map((line): [string, readonly Evidence[]] => {
        const { name, evidence: seen } = JSON.parse(line);
        return [name, seen];
      }),
  );
  t.same([...played.keys()], Object.keys(scenes));
  for (const [
    name,
    {
      best: [cause, confidence],
      says,
      symptom,
    },
  ] of Object.entries(scenes)) {
    const seen = played.get(name) ?? [];
    const address = seen.find((each) => each.kind === 'listener')?.facts['address'];
    const target = serviceTarget({ upstreams: [String(address)], protocol: undefined });
    const { best } = diagnose(caseFile({ target, symptom: symptom ?? {}, evidence: [evidence('service_state', { state: 'running' }), ...seen] }), causes);
    t.same([best.cause, best.confidence], [cause, confidence], `${name}: ${best.sentence} ${JSON.stringify(seen, undefined, 1)}`);
    if (says) t.match(`${best.sentence} ${best.remedy}`, says, name);
  }
});

const saved = `*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:inner - [0:0]
:outer - [0:0]
:unused - [0:0]
[0:0] -A INPUT -p tcp -g inner
[0:0] -A OUTPUT -j outer
[0:0] -A inner -i eth0 -p tcp -m tcp --dport 9000 -j DROP
[0:0] -A outer -p tcp -m tcp --dport 9000 -j DROP
[0:0] -A FORWARD -p tcp -m tcp --dport 9000 -j DROP
[0:0] -A unused -p tcp -m tcp --dport 9000 -j DROP
COMMIT`;
const inTable = { family: 'inet', table: 'f' };
const ports = { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: { set: [3306, 6379, 9000] } } };
const listed = JSON.stringify({
  nftables: [
    ...['input', 'output', 'forward'].map((hook) => ({ chain: { ...inTable, name: hook, hook, policy: 'accept' } })),
    { rule: { ...inTable, chain: 'input', handle: 4, expr: [{ vmap: { key: {}, data: { set: [['lo', { jump: { target: 'inner' } }]] } } }] } },
    { rule: { ...inTable, chain: 'output', handle: 5, expr: [{ goto: { target: 'outer' } }] } },
    ...['inner', 'outer', 'forward', 'unused'].map((chain) => ({ rule: { ...inTable, chain, handle: 7, expr: [ports, { drop: null }] } })),
  ],
});

t.test('only rules that our own connect can meet are looked at: of another host none for what comes in', async (t) => {
  for (const rules of [parseIptables(saved, 9000, 'iptables'), parseNft(listed, 9000)]) {
    const met = (isLocal: boolean) => rules.filter(({ hooks }) => isOnTheWay(hooks, isLocal)).map(({ chain }) => chain);
    t.same(met(true), ['inner', 'outer']);
    t.same(met(false), ['outer']);
  }
});

t.test('what lets a port through names whom it lets through, and leaves the rule for the other ports', async (t) => {
  const address = (host: string) => ({ kind: 'tcp', host, port: 9000 }) as const;
  const commands = (host: string) => [...parseIptables(saved, 9000, 'iptables'), ...parseNft(listed, 9000)].slice(0, -2).map((rule) => commandsFor(rule, address(host)).allow);
  const [inner, outer, , , nftInner, nftOuter] = commands('127.0.0.1');
  t.same(
    [inner, outer],
    ['-I inner -i lo', '-I outer -o lo'].map((way) => `iptables -t filter ${way} -p tcp --dport 9000 -j ACCEPT`),
  );
  t.same(
    [nftInner, nftOuter],
    ['inner iif lo', 'outer oif lo'].map((way) => `nft insert rule inet f ${way} tcp dport 9000 accept`),
  );
  t.equal(commands('192.0.2.7')[1], 'iptables -t filter -I outer -d 192.0.2.7 -p tcp --dport 9000 -j ACCEPT');
  t.equal(commands('192.0.2.7')[5], 'nft insert rule inet f outer ip daddr 192.0.2.7 tcp dport 9000 accept');
});
