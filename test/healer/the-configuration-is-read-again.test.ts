import { createHash } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openChannel } from '../../src/channel/frame.ts';
import { fromHealerSchema, protocolVersion, type Fact, type FromHealer } from '../../src/channel/messages.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { actionOptions } from '../../src/healer/action-options.ts';
import { runHealer, type RunningHealer } from '../../src/healer/run-healer.ts';
import { watchConfig } from '../../src/healer/watch-config.ts';
import type { AuditRecord } from '../support/audit-records.ts';
import { boldly, patientStart, smallService, type SmallService } from '../support/small-service.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';
import { FakeClock } from './fake-clock.ts';

interface Scene {
  readonly small: SmallService;
  readonly healer: RunningHealer;
  /** Lines of the level `error`. */
  readonly errors: string[];
  records(event: string, since?: number): readonly AuditRecord[];
}

async function scene(t: Test): Promise<Scene> {
  const small = await smallService(t);
  const loaded = await loadConfiguration(small.config, { actionOptions });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const errors: string[] = [];
  const log = { info: () => undefined, warn: () => undefined, error: (_fields: object, message: string) => void errors.push(message) };
  const healer = await runHealer(loaded.configuration, { product: '0', log });
  t.teardown(() => healer.close());
  return {
    small,
    healer,
    errors,
    records: (event, since = 0) =>
      small
        .audit()
        .slice(since)
        .filter((record) => record.event === event),
  };
}

const rule = (name: string) => ({ rules: [{ name, when: { cause: 'service.crashed' }, try: patientStart }] });

t.test('R30 fail safe: reloaded twenty times, every second one broken, while an incident is open', async (t) => {
  const { small, healer, errors, records } = await scene(t);
  small.break(true);
  await small.crash();
  await until(() => records('action.intent').length > 1, { timeoutMs: 15_000, what: 'the incident, and attempts that fail' });
  const first = records('action.intent')[0]!;
  for (let i = 1; i <= 20; i++) {
    const before = small.audit().length;
    if (i % 2 === 1) small.writePolicy({ ...rule(`Rule ${i}`) });
    else small.writePolicy({ ...rule(`Rule ${i}`), unknwon: i });
    await healer.reload('SIGHUP');
    if (i % 2 === 1) {
      t.match(records('policy.loaded', before), [{ service: 'small', policy: { name: 'small', mode: 'act' } }], `${i} is taken`);
      t.same(records('policy.rejected', before), []);
    } else {
      t.same(records('policy.loaded', before), [], `${i} is refused`);
      t.match(records('policy.rejected', before), [{ rejected: [{ file: /small\.yaml$/, running: /^[0-9a-f]{64}$/, refused: /^[0-9a-f]{64}$/ }], text: /stays in force.*unknwon/ }]);
      t.match(errors.at(-1), /unknwon/, 'and somebody is told');
    }
  }
  const taken = records('policy.loaded').filter(({ service }) => service === 'small');
  t.equal(taken.length, 11);
  const attempts = records('action.intent').length;
  await until(() => records('action.intent').length > attempts, { timeoutMs: 15_000, what: 'one more attempt' });
  const intents = records('action.intent');
  t.same(new Set(intents.map(({ incident, rule, policy }) => JSON.stringify([incident, rule, policy]))).size, 1, 'the incident goes on under the policy that it was opened with');
  await until(() => small.state().attempts.length === records('action.intent').length, { timeoutMs: 15_000, what: 'all that was counted to be counted still' });
  t.equal(intents[0]?.['rule'], 'Crashed, so start it');

  small.break(false);
  await until(() => records('incident.recovered').length === 1, { timeoutMs: 15_000, what: 'the recovery' });
  await small.crash();
  const again = await until(() => records('action.intent').find(({ incident }) => incident !== first['incident']), { timeoutMs: 15_000, what: 'the next incident' });
  t.match(again, { rule: 'Rule 19', policy: { sha256: (taken.at(-1)!['policy'] as { sha256: string }).sha256 } }, 'the next one is healed by what was taken last');
  await until(() => records('incident.recovered').length === 2, { timeoutMs: 15_000, what: 'the second recovery' });
  t.equal(records('incident.opened').length, 2, 'one watch: one incident each time');
});

t.test('a changed file is read by itself, and one mistake is told once', async (t) => {
  const { small, errors, records } = await scene(t);
  writeFileSync(join(small.folder, 'policies.d', 'small.yaml'), 'version: 1\n');
  await until(() => records('policy.rejected').length === 1, { timeoutMs: 15_000, what: 'the refusal' });
  const before = small.audit().length;
  small.writePolicy({ name: 'second' }, 'second');
  small.writePolicy(rule('Whole again'));
  await until(() => records('policy.loaded', before).length === 2, { timeoutMs: 15_000, what: 'a new file to be noticed' });
  t.match(
    records('policy.loaded', before)
      .map(({ service }) => service)
      .sort(),
    ['second', 'small'],
  );
  t.equal(records('policy.rejected').length, 1);
  t.equal(errors.length, 1);
});

t.test('every way in which files change is noticed, once they are left alone', async (t) => {
  const folder = tempFolder(t);
  const [host, policy] = [join(folder, 'goodgateway.yaml'), join(folder, 'a.yaml')];
  for (const file of [host, policy]) writeFileSync(file, 'one');
  const [clock, stop] = [new FakeClock(), new AbortController()];
  // files are stamped by the machine's clock, and the pauses are the test's: to it every stamp is an old one at first
  let wallMs = (): number => Date.now() + 60_000;
  const stamped = { wallMs: () => wallMs(), monotonicMs: () => clock.monotonicMs(), sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal) };
  t.teardown(() => stop.abort());
  let changes = 0;
  let during = (): void => undefined;
  const changed = async (): Promise<void> => {
    changes += 1;
    during();
  };
  void watchConfig({ watched: () => ({ files: [host, policy], patterns: ['*.yaml'] }), changed, clock: stamped, readAtMs: wallMs(), signal: stop.signal });
  const look = async (): Promise<void> => {
    await clock.isAsleep();
    clock.pass(1000);
    await clock.isAsleep();
  };
  await look();
  t.equal(changes, 0, 'nothing was changed');
  const ways: Readonly<Record<string, () => void>> = {
    'written in place': () => writeFileSync(policy, 'three'),
    'as editors do': () => (writeFileSync(`${policy}~`, 'four'), renameSync(`${policy}~`, policy)),
    'a new one': () => writeFileSync(join(folder, 'b.yaml'), 'b'),
    removed: () => rmSync(join(folder, 'b.yaml')),
    'another mode': () => chmodSync(policy, 0o600),
    'another file behind a link': () => (writeFileSync(join(folder, 'other'), 'x'), symlinkSync('other', join(folder, 'link')), renameSync(join(folder, 'link'), policy)),
  };
  for (const [way, change] of Object.entries(ways)) {
    const before = changes;
    change();
    await look();
    t.equal(changes, before, `${way}: somebody may still be writing`);
    await look();
    t.equal(changes, before + 1, way);
    await look();
    t.equal(changes, before + 1, 'and only once');
  }
  // a change while it is read is not lost, though its stamp is all that shows it
  during = () => {
    during = () => undefined;
    writeFileSync(host, 'changed while it was read');
  };
  const before = changes;
  writeFileSync(host, 'two');
  const writtenMs = Date.now();
  wallMs = Date.now;
  await until(() => Date.now() > writtenMs + 100, { timeoutMs: 15_000, what: 'the stamp to be older than a tick' });
  for (let i = 0; i < 4; i++) await look();
  t.ok(changes >= before + 2, 'it is read again');
});

t.test('a service that comes is watched, one that goes is let go, and its open incident is closed', async (t) => {
  const { small, healer, records, errors } = await scene(t);
  small.writePolicy({ name: 'second' }, 'second');
  await healer.reload('SIGHUP');
  t.same(errors, []);
  small.break(true);
  await small.crash();
  const open = await until(() => records('incident.opened').find(({ service }) => service === 'second'), { timeoutMs: 15_000, what: 'the new service to be watched' });
  rmSync(join(small.folder, 'policies.d', 'second.yaml'));
  await healer.reload('SIGHUP');
  t.match(records('policy.removed'), [{ service: 'second' }]);
  await until(() => records('incident.closed').some(({ incident }) => incident === open['incident']), { timeoutMs: 15_000, what: 'its incident to be closed' });
  const after = small.audit().length;
  await until(() => records('action.intent', after).length > 3, { timeoutMs: 15_000, what: 'the other one to go on' });
  t.same(
    small
      .audit()
      .slice(after)
      // the files that are kept beside its last start may be there later than its end
      .filter(({ service, event }) => service === 'second' && event !== 'evidence.captured'),
    [],
    'nobody looks after it any more',
  );
  t.match(small.state().incidents, [{ service: 'small' }]);
});

t.test('a gateway that leads to another service during an incident is let go: nothing keeps its gate shut', async (t) => {
  const { small, healer, records, errors } = await scene(t);
  const leadTo = (service: string): void =>
    small.writeHost({ gateways: { shop: { listen: `unix:${small.folder}/shop.sock`, protocol: 'http', upstream: `unix:${small.folder}/none.sock`, service } } });
  for (const removed of [false, true]) {
    leadTo('small');
    small.writePolicy();
    await healer.reload('SIGHUP');
    const proxy = await connectProxy(t, small);
    small.break(true);
    await small.crash();
    const incident = await until(() => proxy.heard.find((one) => one.type === 'hold')?.incident, { timeoutMs: 15_000, what: 'the gate to be shut' });
    leadTo('other');
    if (removed) rmSync(join(small.folder, 'policies.d', 'small.yaml'));
    await healer.reload('SIGHUP');
    t.same(errors, []);
    if (removed) await until(() => records('incident.closed').some((record) => record['incident'] === incident), { timeoutMs: 15_000, what: 'its incident to be closed' });
    else await until(() => records('action.intent').length > 3, { timeoutMs: 15_000, what: 'the incident to go on' });
    await proxy.ask();
    const after = proxy.heard.slice(proxy.heard.findIndex(({ type }) => type === 'swap'));
    // the healer may see the changed file by itself, and ask for the same once more
    const ordered = ({ type }: FromHealer): boolean => !['record', 'prepare', 'swap'].includes(type);
    t.match(after.filter(ordered), [{ type: 'open', gateway: 'shop' }, { type: 'shed', gateway: 'shop', incident, keep: 1 }, { type: 'answer' }], 'let go once, and then left alone');
    const late = await connectProxy(t, small);
    t.same(
      late.heard.filter(ordered).map(({ type }) => type),
      ['welcome', 'answer'],
      'one that comes later is told nothing about it',
    );
    small.break(false);
    if (!removed) await until(() => records('incident.recovered').length > 0, { timeoutMs: 15_000, what: 'the recovery' });
  }
});

/** As a proxy that serves by what is in force, and takes whatever comes. */
async function connectProxy(t: Test, { folder, config }: SmallService): Promise<{ readonly heard: readonly FromHealer[]; ask(): Promise<unknown> }> {
  const heard: FromHealer[] = [];
  const socket = connect(join(folder, 'run', 'healer.sock'));
  t.teardown(() => socket.destroy());
  const channel = openChannel<FromHealer, Fact>(socket, fromHealerSchema, {
    onMessage: (message) => {
      heard.push(message);
      if (message.type === 'prepare') channel.send({ type: 'prepared', id: message.id, problems: [] });
    },
    onEnd: () => undefined,
  });
  const sha256 = createHash('sha256').update(readFileSync(config)).digest('hex');
  channel.send({ type: 'hello', version: protocolVersion, product: '0', gateways: ['shop'], config: sha256 });
  let asked = 0;
  /** What was sent before its answer has been heard then. */
  const ask = (): Promise<unknown> => {
    asked += 1;
    channel.send({ type: 'question', id: asked, about: 'policies' });
    return until(() => heard.some((one) => one.type === 'answer' && one.id === asked && one.last), { timeoutMs: 15_000, what: 'the answer' });
  };
  await ask();
  return { heard, ask };
}

t.test('what needs a restart refuses the whole reload and is named; limits of the host are taken over', async (t) => {
  const { small, healer, records, errors } = await scene(t);
  small.writeHost({ state: join(small.folder, 'other-state'), admin: '127.0.0.1:9' });
  small.writePolicy(rule('Not taken either'));
  await healer.reload('SIGHUP');
  t.match(records('policy.rejected'), [{ text: /goodgateway\.yaml:\d+:\d+: state: changed, which needs a restart of goodgateway; .*goodgateway\.yaml:\d+:\d+: admin: changed/ }]);
  t.match(errors, [/needs a restart/]);
  small.writeHost({ safety: { ...boldly, enabled: false } });
  const before = small.audit().length;
  await healer.reload('SIGHUP');
  t.match(records('policy.loaded', before), [{ service: 'small' }, { text: /limits/ }]);
  await small.crash();
  t.match(await until(() => records('action.refused')[0], { timeoutMs: 15_000, what: 'the refusal' }), { rule: 'Not taken either', text: /switched off for this host/ });
  t.equal(small.starts(), 0);
});

t.test('the process log holds no more secrets than the audit log, whatever it quotes', async (t) => {
  const { small, healer, errors } = await scene(t);
  writeFileSync(join(small.folder, 'policies.d/small.yaml'), 'version: 1\nname: DB_PASSWORD=hunter2\n');
  await healer.reload('SIGHUP');
  t.match(errors, [/DB_PASSWORD=\[redacted\]/]);
  t.notMatch(errors.join(), /hunter2/);
});

t.test('who is told, and how, is taken over by a reload; a configuration that is refused is told to them', async (t) => {
  const { small, healer, records } = await scene(t);
  const [program, taken] = [join(small.folder, 'takes'), join(small.folder, 'taken')];
  writeFileSync(program, `#!/bin/sh\ncat >> ${taken}\n`, { mode: 0o755 });
  small.writeHost({ notifiers: { ops: { type: 'run', command: [program] } } });
  await healer.reload('SIGHUP');
  t.match(records('policy.loaded').at(-1), { text: /^who is told, and how \(notifiers\), was read again$/ });
  small.writePolicy({ unknwon: 1 });
  await healer.reload('SIGHUP');
  const message = await until(() => readFileSync(taken, 'utf8').includes('\n') && (JSON.parse(readFileSync(taken, 'utf8')) as unknown), { timeoutMs: 15_000, what: 'the message' });
  t.match(message, {
    event: 'policy.rejected',
    severity: 'warning',
    lines: [/^the configuration was read again \(SIGHUP\) and is refused as a whole; the one before stays in force\.$/, /small\.yaml:.*unknwon/, 'Please: goodgateway check'],
  });
});
