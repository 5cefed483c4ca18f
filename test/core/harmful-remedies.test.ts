/** The table of harmful remedies, as it is published: what the loader and the gates must both refuse. */
import t from 'tap';
import { checkPolicy } from '../../src/config/check-policy.ts';
import { policySchema } from '../../src/config/policy-schema.ts';
import { safetySchema } from '../../src/config/safety-schema.ts';
import { parseYaml } from '../../src/config/yaml-document.ts';
import { actionNames, type ActionName } from '../../src/core/decision.ts';
import { causeNames, type CauseName } from '../../src/core/diagnosis.ts';
import { disturbingActions, startingActions, whyHarmful } from '../../src/core/harmful-remedies.ts';
import * as registered from '../../src/healer/actions/registry.ts';
import type { ActionLimits } from '../../src/healer/policy/gates.ts';
import { decide } from '../../src/healer/policy/decide.ts';
import { quietSurroundings } from '../../src/healer/policy/surroundings.ts';

/** Start, reload, restart. ✗: the published table says so, or the rule that what is busy is not disturbed; `ask`: it may help where a person agrees. */
const published: readonly (readonly [causes: readonly CauseName[], start: string, reload: string, restart: string])[] = [
  [['service.crashed', 'service.start_limit_hit', 'oom.killed', 'service.hung', 'app.segfault', 'config.permission', 'unknown'], '', '', ''],
  [['service.starting'], '', '', '✗'],
  [['service.stopped_by_operator'], '✗', '', '✗'],
  [['capacity.workers_exhausted', 'capacity.connections_exhausted', 'load.cpu', 'load.io', 'load.memory', 'app.slow'], '', '✗', '✗'],
  [['capacity.backlog_full'], '', '✗', 'ask'],
  [['app.error', 'config.timeout', 'config.buffer_size', 'config.dns', 'config.credentials', 'config.per_ip_limit', 'net.port_blocked', 'net.port_moved'], '', '', '✗'],
  [['dependency.database', 'dependency.cache', 'dependency.other', 'limit.tenant'], '', '', '✗'],
  [['config.invalid'], '', '✗', '✗'],
  [['disk.full', 'data.corrupt', 'change.in_progress'], '✗', '✗', '✗'],
];

const says = (cause: CauseName, action: ActionName): string => {
  const [alone, approved] = [whyHarmful(cause, action, false), whyHarmful(cause, action, true)];
  return alone === undefined ? '' : approved === undefined ? 'ask' : '✗';
};

t.test('every cell of the published table', async (t) => {
  for (const [causes, start, reload, restart] of published)
    for (const cause of causes) t.strictSame([says(cause, 'start'), says(cause, 'reload'), says(cause, 'restart')], [start, reload, restart], cause);
});

t.test('a busy, healthy service is never restarted, stopped, reloaded, nor robbed of its workers', async (t) => {
  const busy = causeNames.filter((cause) => cause.startsWith('capacity.') || cause.startsWith('load.') || cause === 'app.slow');
  t.equal(busy.length, 10);
  for (const cause of busy) for (const action of disturbingActions) t.equal(says(cause, action), cause === 'capacity.backlog_full' && action === 'restart' ? 'ask' : '✗', `${action} for ${cause}`);
});

t.test('to wait, to shed, to tell, and to run a program of one’s own is never harmful by itself', async (t) => {
  const harmless = actionNames.filter((action) => !startingActions.includes(action) && !disturbingActions.includes(action));
  t.strictSame(harmless.toSorted(), ['notify', 'page', 'run', 'shed_load', 'switch_upstream', 'wait', 'wait_for']);
  for (const cause of causeNames) for (const action of harmless) t.equal(says(cause, action), '', `${action} for ${cause}`);
});

t.test('the groups are those of the budgets', async (t) => {
  for (const { name, budget } of Object.values(registered)) {
    if (name === 'run') continue;
    t.equal(startingActions.includes(name), budget === 'start', name);
    t.equal(disturbingActions.includes(name), budget === 'disruptive', name);
  }
});

t.test('what the loader refuses, the gate refuses: the policy may be older than the table', async (t) => {
  const limits: ActionLimits = { reach: 'worker', needs: 'possible', counts: true, budget: 'start', configTest: false, reversible: false };
  const actions = new Map(actionNames.map((name) => [name, limits]));
  const disagreements: string[] = [];
  for (const cause of causeNames)
    for (const action of actionNames)
      for (const approval of [undefined, { otherwise: 'skip' }, { otherwise: 'do' }]) {
        const written = {
          version: 1,
          name: 'shop',
          mode: 'act',
          service: { type: 'systemd', unit: 'shop.service' },
          rules: [{ name: 'Do it', when: { cause }, try: [{ do: action, ...(approval ? { approval } : {}) }] }],
        };
        const policy = policySchema.parse(written);
        const [document] = parseYaml('shop.yaml', JSON.stringify(written)).documents;
        const loaded = checkPolicy({ document: document!, path: [] }).filter(({ message }) => message.includes('does harm'));
        const decision = decide({
          now: { wallMs: 1e12, monotonicMs: 1e6 },
          incident: { id: 'NOW', service: 'shop', openedAtMs: 1e12 },
          policy,
          policySha256: 'x',
          safety: safetySchema.parse({}),
          actions,
          diagnosis: { best: { cause, confidence: 'certain', subject: 'shop', sentence: cause, because: [], against: [], remedy: '' }, others: [], evidence: [] },
          serviceState: { state: 'running', text: 'it runs', pids: [], fence: '' },
          history: { attempts: [], services: new Map(), host: { failures: [] } },
          surroundings: quietSurroundings,
          approvals: [],
          ladder: [],
          causeSinceMs: 0,
        });
        const gate = decision.gates.find((result) => result.gate === 'never');
        const agree = (gate?.verdict === 'refuse') === loaded.length > 0 && loaded.length === (whyHarmful(cause, action, approval?.otherwise === 'skip') === undefined ? 0 : 1);
        if (!agree) disagreements.push(`${action} for ${cause}: the gate says ${gate?.reason}, the loader ${loaded[0]?.message}`);
      }
  t.same(disagreements, []);
});
