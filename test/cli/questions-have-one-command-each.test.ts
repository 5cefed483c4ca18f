/** What an operator wants to know, each with one command: healing's log, its refusals, its people, and all of it for a ticket. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { append, crash, crashEvents, openStory, StoryClock } from '../fixtures/audit/story.ts';
import { finish, succeed } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const root = tempFolder(t);
const folder = join(root, 'log');
const state = join(root, 'state');
const config = join(root, 'goodgateway.yaml');
const stuck = '01KANN0R0M7ZQ4T9Y2C5XABCDE';
const of = { incident: stuck, service: 'shop', policy: { name: 'shop', sha256: 'a'.repeat(64), mode: 'act' } } as const;
const gates = [
  { gate: 'enabled', verdict: 'pass', reason: 'healing is switched on' },
  { gate: 'cooldown', verdict: 'refuse', reason: '12 s of 60 s are over', allowed_at: '2026-11-22T03:13:05.000Z' },
  { gate: 'confidence', verdict: 'refuse', reason: 'likely is less than certain' },
] as const;
const refused = { ...of, event: 'action.refused', action: 'restart', rule: 'Hung, so restart it', gates } as const;

const clock = new StoryClock();
const log = await openStory(folder, clock);
await append(log, clock, crashEvents());
await append(log, clock, [
  { ...of, event: 'incident.opened', symptom: { seen_by: 'watch', kind: 'service_frozen', gateway: 'www', count: 1, text: 'no worker answered for 30 s', requests: ['req-1', 'req-2'] } },
  { ...of, event: 'diagnosis.made', cause: 'service.hung', confidence: 'likely', text: 'shop takes connections and answers none' },
  refused,
  refused,
  { ...of, event: 'incident.updated', symptom: { seen_by: 'watch', kind: 'service_frozen', gateway: 'www', count: 1, text: 'more', requests: ['req-2', 'req-3'] } },
  { ...of, event: 'approval.asked', action: 'restart', approval: { code: 'QQQQ22', until: '2026-11-22T03:22:05.000Z' } },
  { ...of, event: 'approval.denied', actor: { by: 'jo (uid 1001)' }, action: 'restart', approval: { code: 'QQQQ22' } },
  { ...of, event: 'incident.gave_up', text: 'every step was tried' },
  { event: 'pause.set', actor: { by: 'maria (uid 1000)' }, pause: { until: '2036-11-22T03:22:05.000Z', reason: 'deploy 4711' }, text: '=1+1 "quoted"' },
  { event: 'healing.off', actor: { by: 'maria (uid 1000)' }, service: 'shop', pause: { reason: 'it moves' }, text: ' @off' },
  { event: 'human.acted', service: 'shop', text: 'somebody restarted shop' },
  { event: 'action.intent', service: 'shop', actor: { by: 'jo (uid 1001)' }, action: 'restart', action_id: '01KANN0R0M7ZQ4T9Y2C5XFFFFF', text: 'restart by hand, asked for by jo: at last.' },
  { event: 'action.finished', service: 'shop', actor: { by: 'jo (uid 1001)' }, action: 'restart', action_id: '01KANN0R0M7ZQ4T9Y2C5XFFFFF', outcome: { result: 'done', duration_ms: 900 } },
]);
await log.close();
const written = readFileSync(join(folder, 'audit-20261122-01.jsonl'), 'utf8').trimEnd().split('\n');

mkdirSync(join(root, 'policies.d'));
writeFileSync(join(root, 'policies.d', 'shop.yaml'), '# the shop\npassword: hunter2\n');
writeFileSync(
  config,
  `version: 1\nruntime: ${root}/run\nstate: ${state}\naudit: { folder: ${folder} }\n# see https://hooks.example/services/T0/B0/hunter2\ngateways:\n  www: { listen: unix:${root}/www.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop }\n`,
);
mkdirSync(join(state, 'evidence', stuck, '01KANN0R0M7ZQ4T9Y2C5XEEEEE'), { recursive: true });
writeFileSync(join(state, 'evidence', stuck, '01KANN0R0M7ZQ4T9Y2C5XEEEEE', 'processes.txt'), `shop --password hunter2\n${'a line of evidence\n'.repeat(8000)}`);
writeFileSync(join(state, 'doctor.json'), '{"version":1}\n');

const run = async (...argv: readonly string[]) => finish([process.execPath, main, ...argv], { environment: { TZ: 'UTC' } });
const inLog = async (...argv: readonly string[]) => (await run(...argv, '--folder', folder)).output;

t.test('log --humans: who paused, switched off, approved, or acted, and beside goodgateway', async (t) => {
  t.same((await inLog('log', '--humans')).split('\n'), [
    '2026-11-22 03:12:08\tjo (uid 1001)\tshop\tXABCDE\tNot approved\trestart',
    '2026-11-22 03:12:08\tmaria (uid 1000)\tthe whole host\t\tHealing was paused\tdeploy 4711 (until 2036-11-22 03:22:05)',
    '2026-11-22 03:12:09\tmaria (uid 1000)\tshop\t\tHealing was switched off\tit moves',
    '2026-11-22 03:12:09\tnot known\tshop\t\tA person did something\tsomebody restarted shop',
    '2026-11-22 03:12:09\tjo (uid 1001)\tshop\t\tA person asked to restart\trestart by hand, asked for by jo: at last.',
    '',
  ]);
  t.equal(await inLog('log', '--humans', '--actions'), '2026-11-22 03:12:09\tshop\t\trestart\t\tdone\t900 ms\n');
  t.equal(await inLog('log', '--humans', '--service', 'shop', '--cause', 'service.hung', '--json'), `${written.find((line) => line.includes('approval.denied'))}\n`);
});

t.test('log: by cause, with every other choice; one incident, and the requests that met it', async (t) => {
  t.match(await inLog('log', '--cause', 'service.hung'), /^[^\n]*\tshop\tXABCDE\tservice\.hung\tno restart: refused\tgave up\t[^\n]*\n$/);
  t.equal(await inLog('log', '--cause', 'service.hung', '--service', 'php-fpm'), '');
  t.equal(await inLog('log', '--cause', 'service.hung', '--json', '--actions'), `${written.filter((line) => line.includes('action.refused')).join('\n')}\n`);
  t.match(await run('log', '--cause', 'hung', '--folder', folder), { code: 2, output: /no cause "hung"; did you mean service\.hung\?/ });
  t.match(await inLog('log', 'req-2'), /^[^\n]*\tXABCDE\t[^\n]*\n$/);
  t.equal(await inLog('log', 'XABCDE', '--requests'), '2026-11-22 03:12:06\twww\treq-1\n2026-11-22 03:12:06\twww\treq-2\n2026-11-22 03:12:07\twww\treq-3\n');
  t.match(await run('log', '--requests', '--folder', folder), { code: 2, output: /--requests: expected an incident as well/ });
  t.match(await run('log', 'ZZZZZZ', '--folder', folder), { code: 1, output: /no incident ZZZZZZ/ });
});

t.test('why-not, from the log alone: every refusing gate with its numbers, the people, and what held the healer back', async (t) => {
  const output = await inLog('why-not', 'shop');
  const parts = [
    /^shop: incident XABCDE of 2026-11-22 03:12:06, gave up\nSeen: no worker answered for 30 s\nCause: service\.hung \(likely\): shop takes/,
    /Did not restart by the rule "Hung, so restart it", 2 times, last 2026-11-22\n03:12:07:\n {2}cooldown: 12 s of 60 s are over; was to open 2026-11-22 03:13:05\n {2}confidence: likely is less than certain\n/,
    /A person was asked whether to restart, and said no\./,
    /It was given up: every step was tried\. .*goodgateway ack shop/s,
    /This is said from\s+the log alone\./,
    /Healing of shop was switched off 2026-11-22 03:12:09: it moves\./,
    /Healing is paused until 2036-11-22 03:22:05: deploy 4711\./,
    /The whole story: goodgateway why XABCDE\n$/,
  ];
  for (const part of parts) t.match(output, part);
  t.ok(output.split('\n').length < 30, 'on one screen');
  t.match(await inLog('why-not', 'php-fpm'), /It did act: start\./);
  t.match(JSON.parse(await inLog('why-not', 'shop', '--json')), {
    incident: { id: stuck },
    not_done: [{ action: 'restart', times: 2, gates: [{ gate: 'cooldown', allowedAt: '2026-11-22T03:13:05.000Z' }, { gate: 'confidence' }] }],
    questions: [{ became: 'denied' }],
    log_says: { in_force: [{ what: 'serviceOff' }, { what: 'paused' }] },
    healer: null,
  });
  t.match(await run('why-not', 'nothing', '--folder', folder), { code: 1, output: /nothing is known of a service nothing/ });
});

t.test('why-not, while the healer runs: what it says now', async (t) => {
  const runtime = tempFolder(t);
  const own = join(runtime, 'goodgateway.yaml');
  writeFileSync(own, readFileSync(config, 'utf8').replace(`${root}/run`, runtime));
  const service = { name: 'shop', mode: 'observe', state: 'running', text: 'it runs', upstream: null, attempts: { used: 3, of: 3, within_ms: 3_600_000 }, gave_up: null, incident: null };
  const status = { healing: 'on', audit: 'no space left on the device', paused: { until: '2036-11-22T03:22:05.000Z', reason: 'deploy 4711' }, services: [service] };
  const healer = createServer((socket) => socket.once('data', () => socket.end(`${JSON.stringify(status)}\n`)));
  await new Promise<void>((resolve) => healer.listen(join(runtime, 'control.sock'), resolve));
  t.teardown(() => new Promise((resolve) => healer.close(resolve)));
  const { output } = await run('why-not', 'shop', '--config', own);
  for (const part of [
    /Now: running: it runs\. No incident is open\./,
    /without it\s+nothing is done: no space left/,
    /paused until 2036-11-22 03:22:05: deploy 4711/,
    /mode observe/,
    /3 of 3 attempts within 1 h are used/,
  ])
    t.match(output, part);
  t.notMatch(output, /log alone|switched off/, 'the healer knows better than the log');
});

t.test('bundle: what a ticket needs, without secrets, whole and checkable', async (t) => {
  const output = join(root, 'ticket.tar.gz');
  const made = await run('bundle', 'req-3', '--config', config, '--output', output);
  t.match(made, { code: 0, output: /ticket\.tar\.gz: 9 files, \d+ KiB\n3 secrets were replaced; read it before you send it\n/ });
  t.equal(statSync(output).mode & 0o777, 0o600);
  const place = tempFolder(t);
  await succeed(['/bin/tar', '-xzf', output, '-C', place]);
  const files = [
    'SHA256SUMS',
    'configuration/goodgateway.yaml',
    'configuration/policies.d/shop.yaml',
    'doctor.json',
    `evidence/01KANN0R0M7ZQ4T9Y2C5XEEEEE/processes.txt`,
    'host.json',
    'incident.ndjson',
    'manifest.json',
    'story.txt',
  ];
  const inBundle = join(place, 'goodgateway-XABCDE');
  t.same((await succeed(['/usr/bin/find', '.', '-type', 'f', '-printf', '%P\n'], { folder: inBundle })).trimEnd().split('\n').sort(), files);
  t.match(await succeed(['/usr/bin/sha256sum', '--check', 'SHA256SUMS'], { folder: inBundle }), /manifest\.json: OK/);
  t.same(
    readFileSync(join(inBundle, 'incident.ndjson'), 'utf8').trimEnd().split('\n'),
    written.filter((line) => line.includes(stuck)),
    'the lines of the log',
  );
  t.match(readFileSync(join(inBundle, 'story.txt'), 'utf8'), /^Incident XABCDE of shop/);
  t.equal(readFileSync(join(inBundle, 'evidence', '01KANN0R0M7ZQ4T9Y2C5XEEEEE', 'processes.txt'), 'utf8').match(/a line of evidence/g)?.length, 8000);
  for (const file of files) t.notOk(readFileSync(join(inBundle, file), 'utf8').includes('hunter2'), file);
  const manifest = JSON.parse(readFileSync(join(inBundle, 'manifest.json'), 'utf8'));
  t.match(manifest, { incident: stuck, secrets_replaced: 3, policy: { name: 'shop', file_is_still_the_same: false }, left_out: [] });
  t.match(await run('bundle', 'XABCDE', '--config', config, '--output', output), { code: 1, output: /is there already and is not written over/ });
  t.match(await run('bundle', crash.id, '--config', config, '--output', join(root, 'other.tgz')), { code: 0, output: /left out: evidence: nothing is kept in/ });
  t.match(await run('bundle', 'ZZZZZZ', '--config', config, '--output', join(root, 'none.tgz')), { code: 1, output: /no incident ZZZZZZ/ });
  t.equal(existsSync(join(root, 'none.tgz')), false);
});

t.test('bundle: all records of an incident in which the clock was set back, and no secret that an older version let stand', async (t) => {
  const place = tempFolder(t);
  const own = join(place, 'log');
  const clock = new StoryClock();
  const log = await openStory(own, clock);
  const [opened, ...rest] = crashEvents();
  await append(log, clock, opened ? [opened] : []);
  clock.now -= 3_600_000;
  await append(log, clock, rest);
  await log.close();
  const file = join(own, 'audit-20261122-01.jsonl');
  const cookie = `it sent Cookie: ${'abc=def; '.repeat(9)}sid=hunter2`;
  writeFileSync(file, readFileSync(file, 'utf8').replace('no status path is configured', cookie));
  t.match(await run('bundle', crash.id, '--folder', own, '--output', join(place, 'out.tgz')), { code: 0 });
  const inBundle = (name: string) => succeed(['/bin/tar', '-xzOf', join(place, 'out.tgz'), `goodgateway-X7K3FQ/${name}`]);
  t.equal((await inBundle('incident.ndjson')).trimEnd().split('\n').length, 7);
  for (const name of ['incident.ndjson', 'story.txt']) t.notMatch(await inBundle(name), /hunter2/, name);
});

t.test('audit export: the lines as they stand, or a table that no spreadsheet calculates with', async (t) => {
  t.equal(await inLog('audit', 'export'), `${written.join('\n')}\n`);
  const rows = (await inLog('audit', 'export', '--format', 'csv', '--since', '2026-11-22T03:12:06Z')).split('\r\n');
  t.match(rows[0], /^seq,time,host,event,incident,code,service,/);
  t.match(rows.at(-2), /^20,2026-11-22T03:12:09\.750Z,web1,action\.finished,,,shop,.*,done,,900,,$/);
  t.ok(rows.some((row) => row.endsWith(`,"'=1+1 ""quoted"""`)));
  t.ok(rows.some((row) => row.endsWith(",' @off")));
  t.match(await inLog('audit', 'export', '--format', 'csv', '--service', 'nobody'), /^seq,[^\n]*\r\n$/);
  t.match(await run('audit', 'export', '--format', 'xml', '--folder', folder), { code: 2 });
});
