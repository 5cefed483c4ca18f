/** The engine of `goodgateway simulate`: what one incident costs is missing for the next, and what is recorded is told. */
import t from 'tap';
import { policySchema } from '../../../src/config/policy-schema.ts';
import { safetySchema } from '../../../src/config/safety-schema.ts';
import type { CauseName } from '../../../src/core/diagnosis.ts';
import { actionTable } from '../../../src/healer/action-table.ts';
import type { AuditEvent, AuditRecord } from '../../../src/healer/audit/record.ts';
import { explain } from '../../../src/healer/simulate/explanation.ts';
import type { SimulatedEvent, SimulatedIncident } from '../../../src/healer/simulate/events.ts';
import { readRecorded } from '../../../src/healer/simulate/read-recorded.ts';
import { simulate } from '../../../src/healer/simulate/simulate.ts';
import { tally, wouldDo } from '../../../src/healer/simulate/tally.ts';
import { decisionInput, emptyWorld, type Running, type SimulationSetup } from '../../../src/healer/simulate/world.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const begins = Date.UTC(2026, 0, 5, 12);

function setupOf(policies: Readonly<Record<string, Record<string, unknown>>>, over: { readonly safety?: Record<string, unknown>; readonly assume?: 'helps' | 'fails' } = {}): SimulationSetup {
  const loaded = Object.entries(policies).map(([name, policy]) => {
    const rules = [
      { name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start', attempts: 3 }] },
      { name: 'Hung, so restart it', when: { cause: 'service.hung', lasting: '1m' }, try: [{ do: 'restart' }] },
      { name: 'Busy, so wait', when: { cause: 'capacity.workers_exhausted' }, try: [{ do: 'wait', with: { at_most: 30_000 }, attempts: 2 }, { do: 'page' }] },
    ];
    return [name, { policy: policySchema.parse({ version: 1, name, mode: 'act', service: { type: 'external' }, rules, ...policy }), file: 'x', sha256: 'x' }] as const;
  });
  return { policies: new Map(loaded), safety: safetySchema.parse(over.safety ?? {}), actions: actionTable, assume: over.assume ?? 'helps' };
}

function trouble(atMs: number, service = 'shop', cause: CauseName = 'service.crashed', over: object = {}): SimulatedEvent {
  return { kind: 'trouble', atMs: begins + atMs, service, cause, confidence: 'certain', ...over };
}

/** `start 0 s, no start (cooldown)`: what an incident says, in short. */
function told({ entries, end }: SimulatedIncident): string {
  const said = entries.flatMap((entry) => {
    const at = `${Math.round((entry.atMs - begins) / second)}`;
    if (entry.kind === 'would') return [`${entry.action}@${at} ${entry.result}`];
    return entry.kind === 'refused' ? [`no ${entry.action}@${at} ${entry.gates.map(({ gate }) => gate).join('+')}`] : entry.kind === 'cause' ? [] : [`${entry.kind}@${at}`];
  });
  return `${said.join(', ')}; ${end}`;
}
const play = (events: readonly SimulatedEvent[], setup: SimulationSetup, endMs = 24 * hour) => simulate(events, setup, begins + endMs).map(told);

t.test('a step that helps ends the incident after its verification; the cooldown counts from there', async (t) => {
  const rules = [
    { name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start', attempts: 3 }] },
    { name: 'Hung, so restart it', when: { cause: 'service.hung' }, try: [{ do: 'restart' }] },
  ];
  const setup = setupOf({ shop: { rules, verify: { within: '30s', stable_for: '10s' } } });
  const hung = (atMs: number) => trouble(atMs, 'shop', 'service.hung');
  t.same(play([hung(0), hung(20 * second)], setup), ['restart@0 helps; helped', 'no restart@20 cooldown, restart@71 helps; helped'], '1 s for the restart, 10 s stable, 60 s cooldown');
  t.same(
    play([trouble(0), trouble(5 * second)], setup),
    ['start@0 helps, no start@5 cooldown, start@6 helps; helped'],
    'dead again while it is watched: the step did not help, and the back-off of 1 s runs',
  );
});

t.test('what nothing helps climbs the ladder with growing pauses, is given up, and may be tried once more', async (t) => {
  const setup = setupOf(
    { shop: { verify: { within: '10s' }, give_up: { retry_after: '30m' }, limits: { max_attempts: { times: 10, within: '1h' } } } },
    { assume: 'fails', safety: { breaker: { open_when: { failed_actions: 100 } } } },
  );
  const [story = ''] = play([trouble(0)], setup, 3 * hour);
  t.match(story, /^start@0 fails, no start@11 cooldown, start@12 fails, no start@23 cooldown, start@25 fails, exhausted@36, gave_up@36, start@1836 fails, .*; open$/);
  t.equal(story.match(/start@\d+ fails/g)?.length, 4, 'three steps and the one further try');
  t.same(
    play([trouble(0), { kind: 'well', atMs: begins + 50 * minute, service: 'shop', by: 'itself' }, trouble(2 * hour)], setup, 2 * hour + second).at(-1),
    'start@7200 fails; open',
    'who is well again is not given up any more',
  );
});

t.test('the budget of the host is one for all services, in the order of time', async (t) => {
  const setup = setupOf({ shop: {}, blog: {} }, { safety: { host_budget: { starts: 2, disruptive_actions: 1 } } });
  const events = [trouble(0), trouble(second, 'blog'), trouble(10 * minute), trouble(11 * minute, 'blog', 'service.hung'), trouble(30 * minute, 'blog', 'service.hung')];
  const stories = play(events, setup);
  t.same(stories.slice(0, 2), ['start@0 helps; helped', 'start@1 helps; helped']);
  t.match(stories[2], /^no start@600 host_budget, start@3600 helps; helped$/, 'the oldest of the two has left the window');
  t.match(stories[3], /^pending@660, restart@720 helps; helped$/, 'lasting is waited for; starts cost nothing of the restarts');
  t.match(stories[4], /^pending@1800, no restart@1860 host_budget, restart@4320 helps; helped$/);
});

t.test('R8 breaker: three attempts that did not help stop everything for a while; then one try decides', async (t) => {
  const setup = setupOf({ shop: { verify: { within: '10s' } }, blog: {} }, { assume: 'fails' });
  const helps = { results: [{ helps: true }] };
  const well = (atMs: number, service: string) => ({ kind: 'well', atMs: begins + atMs, service, by: 'itself' }) as const;
  const stories = play([trouble(0), well(5 * minute, 'shop'), trouble(10 * minute, 'blog', 'service.crashed', helps), trouble(20 * minute, 'blog', 'service.hung', helps)], setup, 3 * hour);
  t.match(stories[0], /^start@0 fails, .*start@12 fails, .*start@25 fails, exhausted/);
  t.match(stories[1], /^start@600 helps; helped$/, 'a dead service that none of them was about is started');
  t.match(stories[2], /^pending@1200, no restart@1260 breaker, restart@3636 helps; helped$/, 'an hour after the third was known');
});

t.test('waiting and telling go on until it is well; nothing of it counts', async (t) => {
  const setup = setupOf({ shop: {} });
  t.same(play([trouble(0, 'shop', 'capacity.workers_exhausted'), { kind: 'well', atMs: begins + 45 * second, service: 'shop', by: 'itself' }, trouble(50 * second)], setup), [
    'wait@0 none, wait@30 none; by_itself',
    'start@50 helps; helped',
  ]);
  t.match(play([trouble(0, 'shop', 'capacity.workers_exhausted')], setup, hour), ['wait@0 none, wait@30 none, page@60 none, exhausted@60; open']);
});

t.test('a pause and a switch of people hold, and end', async (t) => {
  const setup = setupOf({ shop: {} });
  const pause: SimulatedEvent = { kind: 'paused', atMs: begins, service: 'shop', untilMs: begins + 10 * minute, reason: 'deploy 4711' };
  t.same(play([pause, trouble(second)], setup), ['no start@1 paused, start@600 helps; helped']);
  t.same(play([pause, trouble(second), { kind: 'resumed', atMs: begins + minute, service: 'shop' }], setup), ['no start@1 paused, start@60 helps; helped']);
});

t.test('R17 change detection: while somebody changes the system nothing is done; afterwards it is', async (t) => {
  const setup = setupOf({ shop: {} });
  const apt = (atMs: number, text?: string): SimulatedEvent => ({ kind: 'changing', atMs: begins + atMs, service: 'shop', ...(text === undefined ? {} : { text }) });
  t.same(play([apt(0, 'apt is running'), trouble(second), apt(5 * minute)], setup), ['no start@1 change_in_progress, start@300 helps; helped']);
});

t.test('R20 dependency order: what depends on a service in trouble is not disturbed until that has settled', async (t) => {
  const rules = [{ name: 'Hung, so restart it', when: { cause: 'service.hung' }, try: [{ do: 'restart' }] }];
  const setup = setupOf({ shop: { depends_on: ['db'], rules }, db: { verify: { stable_for: '10s' } } });
  t.same(play([trouble(0, 'db'), trouble(second, 'shop', 'service.hung')], setup)[1], 'no restart@1 dependency_open, restart@41 helps; helped', '1 s for the start, 10 s stable, 30 s to settle');
});

t.test('what only observes is simulated as if it acted; what has no policy is left out', async (t) => {
  t.same(play([trouble(0), trouble(0, 'other')], setupOf({ shop: { mode: 'observe' } })), ['start@0 helps; helped']);
  t.same(play([trouble(0)], setupOf({ shop: { mode: 'approve' } })), ['start@0 helps; helped'], 'a person is assumed to agree');
  const [asked] = simulate([trouble(0)], setupOf({ shop: { mode: 'approve' } }), begins + hour);
  t.match(asked?.entries[1], { kind: 'would', asks: true });
});

t.test('dependencies in trouble, somebody’s changes, a supervisor at work: the policy is asked with them', async (t) => {
  const world = emptyWorld(setupOf({ shop: { depends_on: ['db', 'cache'] }, db: { after_recovery: { settle: '1m' } }, cache: {} }));
  const running = (service: string): Running => ({
    id: service,
    service,
    openedAtMs: begins,
    cause: 'service.crashed',
    confidence: 'certain',
    causeSinceMs: begins,
    state: undefined,
    ladder: [],
    results: [],
    nextAtMs: begins,
    closesAtMs: undefined,
    rounds: 0,
    attempted: false,
    lastSaid: '',
    entries: [],
  });
  world.open.set('cache', running('cache'));
  world.around.set('db', { endedAtMs: begins });
  world.around.set('shop', { changing: 'apt is running', supervisorUntilMs: begins + 12 * second });
  const input = decisionInput(world, running('shop'), begins + 5 * second);
  t.match(input.surroundings, {
    changes: [{ text: 'apt is running' }],
    dependencies: [
      { service: 'db', untilMs: begins + minute },
      { service: 'cache', text: 'cache has an open incident since 5 s' },
    ],
  });
  t.match(input.serviceState, { state: 'failed', supervisorActsInMs: 5 * second });
  t.equal(decisionInput(world, running('shop'), begins + 13 * second).serviceState.supervisorActsInMs, undefined);
});

let seq = 0;
function recordsOf(events: readonly (AuditEvent & { readonly at: number })[]): AsyncIterable<{ readonly record: AuditRecord }> {
  const envelope = { v: 1, mono_ms: 0, boot: 'b', host: 'h', agent: 'a', prev: '0'.repeat(64) } as const;
  const records = events.map(({ at, ...event }) => ({ record: { ...envelope, ...event, seq: ++seq, ts: new Date(begins + at * second).toISOString() } }));
  return (async function* () {
    yield* records;
  })();
}
const touching = (action: string) => action !== 'page' && action !== 'wait';
const id = '01KANN0R0M7ZQ4T9Y2C5X7K3FQ';
const of = { incident: id, service: 'shop' } as const;
const act = { ...of, action: 'start', action_id: id } as const;

t.test('a recorded step has its recorded result; what was done then and is not now leaves the end unknown', async (t) => {
  const recorded = await readRecorded(
    recordsOf([
      { at: 0, ...of, event: 'incident.opened' },
      { at: 1, ...of, event: 'diagnosis.made', cause: 'service.crashed', confidence: 'certain' },
      { at: 1, ...act, event: 'action.intent' },
      { at: 3, ...act, event: 'action.finished', outcome: { result: 'done', duration_ms: 2000 } },
      { at: 33, ...of, event: 'verify.failed' },
      { at: 35, ...act, event: 'action.intent' },
      { at: 36, ...act, event: 'action.finished', outcome: { result: 'done', duration_ms: 1000 } },
      { at: 56, ...of, event: 'verify.passed' },
      { at: 56, ...of, event: 'incident.recovered' },
    ]),
    touching,
  );
  t.same(recorded.incidents.get(id)?.done, ['start', 'start']);
  const setup = setupOf({ shop: {} });
  const now = simulate(recorded.events, setup, recorded.endMs + hour);
  t.same(now.map(told), ['start@1 fails, no start@33 cooldown, start@34 helps; helped']);
  t.same(tally(now, recorded.incidents).differences, []);
  const stricter = simulate(recorded.events, setupOf({ shop: { never: ['start'] } }), recorded.endMs + hour);
  t.same(stricter.map(told), ['no start@1 never; not_known']);
  t.match(tally(stricter, recorded.incidents), { would: {}, refused: 1, refusedBy: { never: 1 }, differences: [{ incident: id, would: [], done: ['start', 'start'] }] });
});

t.test('a record tells who else was at work: people, supervisors, package managers', async (t) => {
  const refusal = (at: number, gates: readonly { gate: 'change_in_progress' | 'supervisor_first'; allowed_at?: string }[]) =>
    ({
      at,
      ...of,
      event: 'action.refused',
      action: 'start',
      gates: [{ gate: 'enabled', verdict: 'pass', reason: 'on' }, ...gates.map((one) => ({ ...one, verdict: 'refuse', reason: `${one.gate} is the reason` }) as const)],
    }) as const;
  const recorded = await readRecorded(
    recordsOf([
      { at: 0, event: 'pause.set', pause: { until: new Date(begins + hour).toISOString(), reason: 'night' } },
      { at: 1, ...of, event: 'diagnosis.made', cause: 'service.crashed', confidence: 'certain' },
      refusal(2, [{ gate: 'change_in_progress' }]),
      refusal(3, [{ gate: 'supervisor_first', allowed_at: new Date(begins + 9 * second).toISOString() }]),
      { at: 4, ...act, actor: { by: 'maria' }, event: 'action.intent' },
      { at: 5, ...act, actor: { by: 'maria' }, event: 'action.finished', outcome: { result: 'done' } },
      { at: 6, ...of, event: 'incident.recovered' },
      { at: 7, event: 'pause.ended' },
      { at: 8, event: 'human.acted', service: 'shop', text: 'systemctl restart' },
      { at: 9, incident: '01KANN0R0M7ZQ4T9Y2C5X7K3FR', service: 'shop', event: 'incident.opened' },
    ]),
    touching,
  );
  t.match(
    recorded.events.map(({ kind }) => kind),
    ['paused', 'trouble', 'changing', 'changing', 'supervisor', 'well', 'resumed', 'human'],
  );
  t.match(recorded.events[2], { text: 'change_in_progress is the reason' });
  t.notOk('text' in recorded.events[3]!, 'that was over then');
  t.match(recorded.events[5], { kind: 'well', by: 'person' });
  t.same(recorded.incidents.get(id)?.done, [], 'what a person did is not ours');
  t.equal(recorded.withoutCause, 1);
});

t.test('a course that was recorded beyond a step that helps here is not taken for new trouble', async (t) => {
  const events = [
    trouble(0, 'shop', 'service.crashed', { incident: id, opens: true }),
    trouble(minute, 'shop', 'service.hung', { incident: id }),
    { kind: 'well', atMs: begins + 5 * minute, service: 'shop', incident: id, by: 'itself' } as const,
  ];
  t.same(play(events, setupOf({ shop: {} })), ['start@0 helps; helped']);
  t.match(play(events, setupOf({ shop: {} }, { assume: 'fails' })), [/^start@0 fails, no start@31 cooldown, .*; by_itself$/]);
});

t.test('one cause right now: the rule, its whole ladder, every gate’s word, and whose turn it is', async (t) => {
  const world = emptyWorld(setupOf({ shop: {} }));
  const input = {
    ...decisionInput(
      world,
      {
        id,
        service: 'shop',
        openedAtMs: begins,
        cause: 'capacity.workers_exhausted',
        confidence: 'certain',
        causeSinceMs: begins,
        state: undefined,
        ladder: [],
        results: [],
        nextAtMs: 0,
        closesAtMs: undefined,
        rounds: 0,
        attempted: false,
        lastSaid: '',
        entries: [],
      },
      begins,
    ),
  };
  const first = explain(input, 'healer', null);
  t.match(first, {
    ok: true,
    rule: 'Busy, so wait',
    text: 'wait would be done now, by the rule "Busy, so wait"',
    steps: [
      { action: 'wait', attempts: 2, next: true },
      { action: 'page', next: false },
    ],
  });
  for (const step of first.steps) t.equal(step.gates.length, 17, `${step.action}: every gate is asked`);
  const later = explain({ ...input, ladder: [{ rule: 'Busy, so wait', rung: 0, attempt: 2 }] }, 'healer', id);
  t.match(
    later.steps.map(({ next }) => next),
    [false, true],
  );
  const over = explain({ ...input, ladder: [{ rule: 'Busy, so wait', rung: 1, attempt: 1 }] }, 'healer', id);
  t.match(over, { text: /every step of the rule "Busy, so wait" was tried/, steps: [{ next: false }, { next: false }] });
});

t.test('R26 empty selector: no incident, no step, nothing in the sum', async (t) => {
  t.same(simulate([], setupOf({}), begins), []);
  t.same(tally([], new Map()), { incidents: 0, would: {}, refused: 0, refusedBy: {}, gaveUp: 0, assumed: 0, differences: [] });
  t.same(wouldDo({ service: 'shop', openedAtMs: 0, entries: [], end: 'open' }), []);
});
