import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { monitorSchema } from '../../src/config/monitor-schema.ts';
import type { AuditFailure } from '../../src/healer/audit/turns.ts';
import { pingMonitor } from '../../src/healer/ping-monitor.ts';
import { webhookReceiver } from '../fixtures/notifiers/webhook-receiver.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { FakeClock } from './fake-clock.ts';

t.test('it is asked at once and then as often as configured, but not while nothing could be done; its address is in no log', async (t) => {
  const monitor = await webhookReceiver(t);
  const file = join(tempFolder(t), 'ping');
  writeFileSync(file, `${monitor.url}planted-path-4716\n`, { mode: 0o600 });
  const [clock, log, stop] = [new FakeClock(), [] as string[], new AbortController()];
  const say = (_fields: object, text: string): void => void log.push(text);
  let failure: AuditFailure | undefined;
  const pinging = pingMonitor({ settings: monitorSchema.parse({ ping_file: file }), audit: { failure: () => failure }, clock, log: { info: say, warn: say, error: say }, signal: stop.signal });
  t.teardown(() => stop.abort());
  /** A minute passes, and whoever woke has gone to sleep again. */
  const minute = async (): Promise<void> => {
    clock.pass(60_000);
    await clock.settle();
  };
  await clock.settle();
  t.match(monitor.received, [{ path: '/planted-path-4716' }]);
  await minute();
  t.equal(monitor.received.length, 2);
  failure = { kind: 'not_written', detail: 'the disk is full' };
  await minute();
  t.equal(monitor.received.length, 2, 'silent: nothing could be healed');
  failure = undefined;
  monitor.answer = { status: 500 };
  await minute();
  await minute();
  t.equal(monitor.received.length, 4);
  await monitor.away();
  await minute();
  await monitor.listen();
  monitor.answer = { status: 200 };
  await minute();
  t.match(log, [/may raise the alarm: 127\.0\.0\.1:\d+ answered 500$/, /is told again/]);
  t.notMatch(log.join(), /planted/);
  stop.abort();
  await pinging;
});
