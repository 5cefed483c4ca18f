import t from 'tap';
import type { AdminGateway, AdminState } from '../../src/core/admin-api.ts';
import { bucketMs, createHistory, failuresByKind, mostBuckets, rateNow } from '../../src/dashboard/history.ts';

const startMs = Date.parse('2026-11-22T03:00:00.000Z');

/** A state, so many seconds after the beginning; each gateway with what it has answered and failed so far. */
function stateAt(seconds: number, gateways: Readonly<Record<string, { readonly completed: number; readonly refused?: number; readonly held?: number; readonly p95?: number }>>): AdminState {
  const each = Object.entries(gateways).map(([name, { completed, refused = 0, held = 0, p95 }]): [string, AdminGateway] => [
    name,
    {
      gate: 'open',
      say: '',
      incident: null,
      held,
      in_flight: 1,
      limit: null,
      quarantined: 0,
      shedding: null,
      upstream: 'x',
      no_progress_ms: 0,
      last_recovery: null,
      total: { completed, failed: refused, status5xx: 0, fellBack: 0, shed: 0 },
      failures: { connection_refused: refused },
      latency: p95 === undefined ? null : { p50_ms: 1, p95_ms: p95, requests: 1 },
    },
  ]);
  return { product: 'x', host: 'x', now: new Date(startMs + seconds * 1000).toISOString(), healer: 'connected', gateways: Object.fromEntries(each) };
}

t.test('answers a second, failures by kind, the most that waited, the worst latency', async (t) => {
  const history = createHistory();
  for (let second = 0; second <= 20; second++) history.take(stateAt(second, { a: { completed: second * 30, refused: second, held: second, p95: second }, b: { completed: second * 10 } }));
  t.equal(rateNow(history.of('a')), 30);
  t.equal(rateNow(history.of(undefined)), 40, 'all together');
  t.same(failuresByKind(history.of(undefined)), [['connection_refused', 20]]);
  t.match(history.of('a')[1], { held: 9, p95: 9 }, 'of the second five seconds');
  t.match(history.of('b').at(-1), { p95: undefined });
});

t.test('a proxy that was started anew counts from nothing, and a long silence says nothing', async (t) => {
  const history = createHistory();
  history.take(stateAt(0, { a: { completed: 1000, refused: 50 } }));
  history.take(stateAt(1, { a: { completed: 20, refused: 2 } }));
  t.same(failuresByKind(history.of('a')), [['connection_refused', 2]]);
  t.equal(rateNow(history.of('a')), 20);
  history.take(stateAt(120, { a: { completed: 9000, refused: 500 } }));
  t.same(failuresByKind(history.of('a')), [['connection_refused', 2]]);
  t.equal(history.of('a').at(-1)?.seconds, 0, 'nobody knows when they were');
});

t.test('older than ten minutes is forgotten', async (t) => {
  const history = createHistory();
  for (let second = 0; second <= 1300; second += 1) history.take(stateAt(second, { a: { completed: second } }));
  t.equal(history.of('a').length, mostBuckets);
  t.equal(history.of('a')[0]?.at, history.now() - mostBuckets + 1);
  t.equal(history.now(), Math.floor((startMs + 1300 * 1000) / bucketMs));
});
