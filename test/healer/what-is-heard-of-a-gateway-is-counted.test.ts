import t from 'tap';
import { GatewayTraffic } from '../../src/healer/gateway-traffic.ts';
import type { SeenSummary } from '../../src/healer/healer.ts';

const summary = (seenMs: number, more: Partial<SeenSummary> = {}): SeenSummary => ({
  type: 'traffic_summary',
  gateway: 'shop',
  atMs: seenMs,
  periodMs: 500,
  inFlight: 0,
  held: 0,
  completed: 0,
  failed: 0,
  status5xx: 0,
  fellBack: 0,
  noProgressMs: 0,
  gate: 'open',
  seenMs,
  ...more,
});

t.test('nothing heard is no zero', async (t) => {
  t.same(new GatewayTraffic().now(5000), { newest: undefined, perSecond: 0, failed: 0, failedByKind: new Map() });
});

t.test('the rate is that of the last ten seconds, and true from the first summary on', async (t) => {
  const traffic = new GatewayTraffic();
  const from = 1_000_000;
  for (let i = 1; i <= 4; i++) traffic.heard(summary(from + i * 500, { completed: 9, fellBack: 1 }));
  t.equal(traffic.now(from + 2000).perSecond, 20, 'ten in half a second, for two seconds');
  for (let i = 5; i <= 60; i++) traffic.heard(summary(from + i * 500, { completed: 5 }));
  t.ok(Math.abs(traffic.now(from + 30_000).perSecond - 10) < 1, `what was long ago counts no more: ${traffic.now(from + 30_000).perSecond}`);
  t.equal(traffic.now(from + 60_000).perSecond, 0);
  t.equal(traffic.now(from + 60_000).newest?.seenMs, from + 30_000);
});

t.test('failures of the last minute count by kind, and those of a flood at least in sum', async (t) => {
  const traffic = new GatewayTraffic();
  traffic.failed('connection_refused', 1000);
  for (let i = 0; i < 20; i++) traffic.failed('http_response_timeout', 2000);
  traffic.heard(summary(2500, { failed: 500 }));
  const { failed, failedByKind } = traffic.now(3000);
  t.equal(failed, 500);
  t.same(
    [...failedByKind],
    [
      ['connection_refused', 1],
      ['http_response_timeout', 20],
    ],
  );
  t.same([...traffic.now(61_500).failedByKind], [['http_response_timeout', 20]], 'the first is more than a minute ago');
  t.equal(traffic.now(63_000).failed, 0);
});

t.test('what nginx alone saw counts in the sum', async (t) => {
  const traffic = new GatewayTraffic();
  traffic.failed('connection_refused', 1000);
  traffic.failed('connection_refused', 1000);
  t.equal(traffic.now(1500).failed, 2);
});
