import t from 'tap';
import { HealingCounts } from '../../src/proxy/admin/healing-counts.ts';
import { expose } from '../../src/proxy/admin/exposition.ts';
import { readExposition, valueOf } from '../support/prometheus.ts';

function counted(...records: readonly (string | object)[]): (key: string) => number | undefined {
  const counts = new HealingCounts();
  for (const record of records) counts.take(typeof record === 'string' ? record : JSON.stringify({ v: 1, seq: 1, ts: '2026-01-01T00:00:00.000Z', ...record }));
  const metrics = readExposition(expose(counts.families()));
  return (key) => valueOf(metrics, `goodgateway_${key}`);
}

t.test('an incident from its opening to its end', async (t) => {
  const value = counted(
    { event: 'incident.opened', incident: '01K', service: 'shop' },
    { event: 'action.intent', action: 'start' },
    { event: 'action.finished', action: 'start', outcome: { result: 'failed' } },
    { event: 'action.unknown', action: 'restart', outcome: { result: 'unknown' } },
    { event: 'action.finished', action: 'start', outcome: { result: 'done', duration_ms: 3 } },
    { event: 'incident.recovered', cause: 'service.crashed', outcome: { result: 'recovered' } },
    { event: 'incident.relapsed', outcome: { result: 'relapsed' } },
    { event: 'incident.opened' },
    { event: 'incident.gave_up' },
    { event: 'incident.closed', outcome: { result: 'unknown' } },
  );
  t.equal(value('incidents_opened_total'), 2);
  t.equal(value('incidents_ended_total{cause="service.crashed",outcome="recovered"}'), 1);
  t.equal(value('incidents_ended_total{cause="other",outcome="unknown"}'), 1);
  t.equal(value('incidents_given_up_total'), 1);
  t.equal(value('incidents_relapsed_total'), 1);
  t.equal(value('actions_total{action="start",result="failed"}'), 1);
  t.equal(value('actions_total{action="start",result="done"}'), 1);
  t.equal(value('actions_total{action="restart",result="unknown"}'), 1);
  t.equal(value('actions_total{action="stop",result="done"}'), 0, 'there before it happens');
  t.equal(value('audit_records_total'), 10);
});

t.test('what stands already when the healer is reached needs no record', (t) => {
  const counts = new HealingCounts();
  const value = (key: string): number | undefined => valueOf(readExposition(expose(counts.families())), `goodgateway_${key}`);
  counts.stands({ off: true, servicesOff: ['shop', 'blog'], breakerOpen: true });
  t.same([value('healing_off'), value('services_off'), value('breaker_open')], [1, 2, 1]);
  counts.take('{"event":"healing.on","service":"shop"}');
  t.equal(value('services_off'), 1);
  counts.stands({ off: false, servicesOff: [], breakerOpen: false });
  t.same([value('healing_off'), value('services_off'), value('breaker_open')], [0, 0, 0], 'a healer with another memory');
  t.equal(value('audit_records_total'), 1);
  t.end();
});

t.test('refusals are counted by the gates that refused', async (t) => {
  const gate = (name: string, verdict: string): object => ({ gate: name, verdict, reason: 'so' });
  const value = counted(
    { event: 'action.refused', action: 'restart', gates: [gate('enabled', 'pass'), gate('cooldown', 'refuse'), gate('host_budget', 'refuse'), gate('fence', 'not_evaluated')] },
    { event: 'action.refused', text: 'no rule' },
    { event: 'action.would_run', action: 'restart', gates: [gate('cooldown', 'refuse')] },
  );
  t.equal(value('refusals_total{gate="cooldown"}'), 1);
  t.equal(value('refusals_total{gate="host_budget"}'), 1);
  t.equal(value('refusals_total{gate="fence"}'), 0);
  t.equal(value('actions_total{action="restart",result="would_run"}'), 1);
});

t.test('what keeps the healer from acting is seen as long as it lasts', async (t) => {
  const off = [{ event: 'healing.off' }, { event: 'healing.off', service: 'shop' }, { event: 'healing.off', service: 'shop' }, { event: 'breaker.opened' }];
  const then = counted(...off);
  t.same([then('healing_off'), then('services_off'), then('breaker_open')], [1, 1, 1]);
  const later = counted(...off, { event: 'breaker.half_open' }, { event: 'healing.on' }, { event: 'healing.on', service: 'shop' });
  t.same([later('healing_off'), later('services_off'), later('breaker_open')], [0, 0, 1], 'one try is not closed');
  t.equal(counted(...off, { event: 'breaker.closed' })('breaker_open'), 0);
  const many = counted(...Array.from({ length: 5000 }, (_, index) => ({ event: 'healing.off', service: `s${index}` })));
  t.equal(many('services_off'), 1000, 'and no more of them');
});

t.test('what cannot be read counts nothing, and words that nobody knows add no series', async (t) => {
  const value = counted(
    '',
    'no JSON',
    'null',
    '[]',
    '{"event":7}',
    { event: 'action.refused', gates: 'all' },
    { event: 'action.finished', action: 'format_disk', outcome: { result: 'splendid' } },
    { event: 'action.finished', action: { a: 1 } },
    { event: 'incident.recovered', cause: '"}\n', outcome: { result: 'x'.repeat(10_000) } },
    { event: 'something.new' },
  );
  t.equal(value('audit_records_total'), 3);
  t.equal(value('actions_total{action="other",result="other"}'), 1);
  t.equal(value('incidents_ended_total{cause="other",outcome="other"}'), 1);
  t.equal(counted({ event: 'policy.rejected' }, { event: 'audit.gap' })('policies_rejected_total'), 1);
});
