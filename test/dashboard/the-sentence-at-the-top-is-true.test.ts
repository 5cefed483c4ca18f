import t from 'tap';
import type { AdminGateway, AdminRecord, AdminService, AdminServices, AdminState } from '../../src/core/admin-api.ts';
import { headlineOf, type Known, type Level } from '../../src/dashboard/headline.ts';
import { takeRecord, type LiveIncident } from '../../src/dashboard/incidents.ts';

const id = '01KANN0R0M7ZQ4T9Y2C5X7K3FQ';
const gateway: AdminGateway = {
  gate: 'open',
  say: '',
  incident: null,
  held: 0,
  in_flight: 0,
  limit: null,
  quarantined: 0,
  shedding: null,
  upstream: '127.0.0.1:80',
  no_progress_ms: 0,
  total: { completed: 0, failed: 0, status5xx: 0, fellBack: 0, shed: 0 },
  failures: {},
  latency: null,
  last_recovery: null,
};
const service: AdminService = {
  name: 'shop',
  mode: 'act',
  state: 'running',
  text: 'it runs',
  upstream: null,
  attempts: { used: 0, of: 3, within_ms: 1000 },
  quarantined: [],
  off: null,
  paused: null,
  gave_up: null,
  gave_up_since: null,
  questions: [],
  incident: null,
};
const services = (changes: Partial<AdminService> = {}, host: Partial<AdminServices> = {}): AdminServices => ({
  healing: 'on',
  audit: 'ok',
  off: null,
  paused: null,
  breaker: null,
  budget: { disruptive: { used: 0, of: 1 }, starts: { used: 0, of: 1 }, within_ms: 1000 },
  untold: [],
  services: [{ ...service, ...changes }],
  ...host,
});
const state = (changes: Partial<AdminGateway> = {}, healer: AdminState['healer'] = 'connected'): AdminState => ({
  product: 'goodgateway 1',
  host: 'web1',
  now: '2026-11-22T03:12:05.000Z',
  healer,
  gateways: { shop: { ...gateway, ...changes } },
});
const incident = (...records: readonly Partial<AdminRecord>[]): readonly LiveIncident[] =>
  records.reduce<readonly LiveIncident[]>(
    (list, record, index) => takeRecord(list, { seq: index + 1, ts: `2026-11-22T03:12:0${index}.000Z`, event: 'incident.opened', incident: id, service: 'shop', ...record }),
    [],
  );

const opened = { text: '3 connects were refused' };
const diagnosed = { event: 'diagnosis.made', text: 'shop is not running' };
const holding = { gate: 'holding', say: 'it is being looked at', incident: 'X7K3FQ' } as const;
const listed = { incident: { id, code: 'X7K3FQ', opened_at: '2026-11-22T03:12:05.000Z', symptom: '3 connects were refused', cause: 'service.crashed', sentence: 'shop is not running', done: [] } };
const well: Known = { state: state(), services: services(), incidents: [], lostSinceMs: undefined, lostWhy: undefined };

const cases: readonly (readonly [what: string, known: Partial<Known>, level: Level, sentence: RegExp, rest: RegExp])[] = [
  ['nothing was heard yet', { state: undefined }, 'unknown', /^Asking/, /^$/],
  ['it may not be asked', { state: undefined, lostSinceMs: 1, lostWhy: 'this listener answers to localhost only' }, 'unknown', /says nothing to this page/, /localhost only\. .*tries again/],
  ['nothing wrong', {}, 'good', /^All is well\.$/, /^There is nothing for you to do\.$/],
  ['the connection is lost', { lostSinceMs: 1 }, 'unknown', /^No word from goodgateway since/, /known then\./],
  ['it was opened a moment ago', { incidents: incident(opened) }, 'repair', /^shop is being repaired\.$/, /^3 connects were refused\. .*nothing for you to do/],
  ['the cause is known', { incidents: incident(opened, diagnosed), state: state(holding) }, 'repair', /^shop is being repaired\.$/, /^shop is not running\. /],
  ['the records were not heard', { services: services(listed), state: state(holding) }, 'repair', /^shop is being repaired\.$/, /^shop is not running\. /],
  ['only the gateway knows', { state: state({ ...holding, incident: 'OTHER1' }) }, 'repair', /^shop is being repaired/, /Requests wait: it is being looked at\./],
  [
    'it is over, the list of services is older',
    { incidents: incident(opened, { event: 'incident.recovered', outcome: { result: 'recovered', duration_ms: 1800 } }), services: services(listed) },
    'good',
    /^All is well/,
    /it took 1\.8 s\./,
  ],
  [
    'given up',
    { incidents: incident(opened, diagnosed, { event: 'incident.gave_up', text: 'nothing helped' }) },
    'person',
    /^shop needs a person/,
    /gave up: nothing helped\. .*goodgateway ack shop$/,
  ],
  ['it only observes', { incidents: incident(opened), services: services({ ...listed, mode: 'observe' }) }, 'person', /^shop needs a person/, /only observes shop: repair it yourself\.$/],
  [
    'a person is asked',
    { services: services({ ...listed, questions: [{ code: 'AB12', action: 'restart', rule: 'Hung', until: '2026-11-22T03:22:05.000Z' }] }) },
    'person',
    /^shop needs a person/,
    /whether it may restart shop .*goodgateway approve AB12/,
  ],
  ['the record cannot be written', { services: services(listed, { audit: 'the disk is full' }) }, 'person', /^shop needs a person/, /audit log cannot be written/],
  [
    'healing is off while something is wrong',
    { services: services(listed, { off: { since: 'x', by: 'anna', reason: 'update' } }) },
    'person',
    /^shop needs a person/,
    /switched off by anna\. .*goodgateway on$/,
  ],
  ['healing is off', { services: services({}, { off: { since: 'x', by: 'anna', reason: 'update' } }) }, 'notice', /^Healing was switched off by anna\.$/, /^update\. Nothing is repaired until/],
  [
    'one service is paused',
    { services: services({ paused: { until: '2026-11-22T03:22:05.000Z', reason: 'update' } }) },
    'notice',
    /^Healing of shop is paused until/,
    /^update\. .*goodgateway resume shop$/,
  ],
  [
    'nobody can be told',
    { services: services({}, { untold: [{ notifier: 'ops', waiting: 3, problem: 'connection refused' }] }) },
    'notice',
    /^ops cannot be told anything\.$/,
    /^3 messages wait: connection refused\. To try it: goodgateway notify --test ops$/,
  ],
  ['the healer is away', { state: state({}, 'away'), services: undefined }, 'notice', /^The healer is away\.$/, /^Traffic flows/],
  ['the healer is away while something is wrong', { state: state(holding, 'away'), services: undefined }, 'person', /^shop needs a person/, /healer does not run/],
  ['load is shed', { state: state({ shedding: { keep: 0.8, incident: 'X7K3FQ' } }) }, 'notice', /^shop turns some requests away on purpose\.$/, /^80 % are let through\./],
  [
    'it may not, and time does not change that',
    { incidents: incident(opened, diagnosed, { event: 'action.refused', action: 'restart', gates: [{ gate: 'never', verdict: 'refuse', reason: 'it is busy' }] }) },
    'person',
    /^shop needs a person/,
    /does not restart it: it is busy\.$/,
  ],
  [
    'it may later',
    {
      incidents: incident(opened, diagnosed, {
        event: 'action.refused',
        action: 'restart',
        gates: [{ gate: 'cooldown', verdict: 'refuse', reason: 'too early', allowed_at: '2026-11-22T03:12:15.000Z' }],
      }),
    },
    'repair',
    /^shop is being repaired/,
    /nothing for you to do/,
  ],
];

t.test('what is wrong, what is done, and who must act', async (t) => {
  for (const [what, changes, level, sentence, rest] of cases) {
    const headline = headlineOf({ ...well, ...changes });
    t.equal(headline.level, level, what);
    t.match(headline.sentence, sentence, what);
    t.match([...headline.more, headline.you].join(' ').trim(), rest, what);
  }
});

t.test('what broke again is no longer open by itself, and what is tried anew is', async (t) => {
  const [relapsed] = incident(opened, { event: 'incident.recovered' }, { event: 'incident.relapsed' });
  t.equal(relapsed?.ended, 'relapsed');
  const [again] = incident(opened, { event: 'incident.gave_up' }, { event: 'incident.acknowledged' });
  t.equal(again?.ended, 'open');
});
