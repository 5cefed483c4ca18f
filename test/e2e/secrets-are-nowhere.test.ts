/**
 * Secrets planted where real ones are (requests, the environment, what a command prints, a service's log), and a search
 * through everything that goodgateway writes, shows and sends.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { join } from 'node:path';
import t from 'tap';
import { webhookReceiver } from '../fixtures/notifiers/webhook-receiver.ts';
import { startGoodgateway, type Goodgateway } from '../support/goodgateway.ts';
import { freePort } from '../support/ports.ts';
import { endAll, processInfo, signal } from '../support/processes.ts';
import { succeed } from '../support/program.ts';
import { startShop, type Shop } from '../support/shop.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

/** No two are alike, and none is like anything else. */
const planted = {
  authorization: 'PLANTED-bearer-5f1c9a',
  cookie: 'PLANTED-cookie-77ab10',
  query: 'PLANTED-query-c0ffee',
  body: 'PLANTED-body-9d8e7f',
  environment: 'PLANTED-environment-1a2b3c',
  flag: 'PLANTED-flag-4d5e6f',
  output: 'PLANTED-output-a1b2c3',
  dsn: 'PLANTED-dsn-0f9e8d',
  log: 'PLANTED-log-b4a5c6',
  receiver: 'PLANTED-receiver-d7c6b5',
} as const;

t.test('planted secrets are in nothing that goodgateway writes, shows or sends', async (t) => {
  const shop = await startShop(t);
  const port = await freePort();
  const { start, log, pidfile, started } = leakyStart(tempFolder(t), shop);
  t.teardown(() => endAll(() => [processInfo(started())].filter((one) => one !== undefined)));
  const receiver = await webhookReceiver(t);
  const secrets = tempFolder(t);
  const address = join(secrets, 'address');
  writeFileSync(address, `${receiver.url}${planted.receiver}\n`, { mode: 0o600 });
  const goodgateway = await startGoodgateway(t, {
    within: ['/usr/bin/env', `DB_PASSWORD=${planted.environment}`],
    gateways: () => ({ shop: { listen: `127.0.0.1:${port}`, protocol: 'http', upstream: `127.0.0.1:${shop.port}`, service: 'shop', hold: { for: '1s' } } }),
    policies: [
      {
        version: 1,
        name: 'shop',
        mode: 'act',
        service: { type: 'process', pidfile, start, log },
        evidence: { capture: ['log_tail', 'sockets'] },
        rules: [{ name: 'Crashed, so start it', when: { cause: 'service.crashed' }, try: [{ do: 'start', attempts: 3 }] }],
        limits: { cooldown: '0s', backoff: { initial: '100ms', factor: 1 } },
        verify: { within: '10s', stable_for: '200ms', checks: [{ connect: 'ok' }] },
        notify: { to: ['hook'], events: ['started', 'recovered'] },
      },
    ],
    host: (folder) => ({ access_log: { file: join(folder, 'access.jsonl') }, notifiers: { hook: { type: 'webhook', url_file: address } } }),
  });
  const visit = (): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/api/order?token=${planted.query}&id=1`, {
      method: 'POST',
      headers: { authorization: `Bearer ${planted.authorization}`, cookie: `session=${planted.cookie}`, 'content-type': 'application/json' },
      body: JSON.stringify({ id: 'x', password: planted.body }),
    });
  await visit();
  signal(shop.running().pid, 'SIGKILL');
  await Promise.all([visit(), visit()]);
  await until(() => goodgateway.audit().some(({ event }) => event === 'incident.recovered'), { timeoutMs: 20_000, what: () => `recovery: ${goodgateway.log().slice(-500)}` });
  await until(() => goodgateway.audit().some(({ event, files }) => event === 'evidence.captured' && files !== undefined), { timeoutMs: 20_000, what: 'evidence in files' });
  await until(() => receiver.received.some(({ body }) => body.includes('incident.recovered')), { timeoutMs: 20_000, what: 'the messages' });
  const outputs = goodgateway.audit().map(({ outcome }) => JSON.stringify(outcome ?? ''));
  t.ok(
    outputs.some((output) => /--password=\[redacted\]/.test(output)),
    'what the command printed is on record, without its secret',
  );
  await until(() => readFileSync(join(goodgateway.folder, 'access.jsonl'), 'utf8').includes('/api/order'), { timeoutMs: 15_000, what: 'the requests in the access record' });
  t.ok(readFileSync(log, 'utf8').includes(planted.log), 'the planted ones were really there');

  const messages = receiver.received.map(({ headers, body }, i) => [`message ${i + 1}`, JSON.stringify(headers) + body] as const);
  const [looks, bundle] = [await shown(goodgateway), await bundled(goodgateway, tempFolder(t))];
  // what it writes at its end belongs to it as well, and no file is looked at while it is written
  await goodgateway.stop();
  for (const [where, text] of [...messages, ...looks, ...bundle, ...filesBelow(goodgateway.folder), ['the log of the processes', goodgateway.log()] as const]) {
    const found = Object.entries(planted).filter(([, secret]) => text.includes(secret));
    t.same(
      found.map(([name]) => name),
      [],
      where,
    );
  }
});

interface LeakyStart {
  readonly start: readonly string[];
  readonly log: string;
  readonly pidfile: string;
  /** The pid in the pidfile. */
  started(): number;
}

/** A start command that says too much, and fails the first time; and a log that has been told too much. */
function leakyStart(folder: string, shop: Shop): LeakyStart {
  const [script, log, tried, pidfile] = ['start', 'service.log', 'tried', 'pid'].map((name) => join(folder, name)) as [string, string, string, string];
  writeFileSync(pidfile, `${shop.running().pid}\n`);
  writeFileSync(log, `[notice] connecting with mysql://shop:${planted.dsn}@db/shop\n[error] Authorization: Bearer ${planted.log}\n[error] password=${planted.log}\n`);
  const lines = [
    '#!/bin/sh',
    "cat <<'END'",
    `mysql --host=db --password=${planted.flag} -e 'select 1'`,
    `DB_PASSWORD=${planted.output} mysql://shop:${planted.dsn}@db/shop`,
    'END',
    'env',
    `if [ ! -e '${tried}' ]; then : > '${tried}'; exit 1; fi`,
    `setsid ${shop.argv.map((word) => `'${word}'`).join(' ')} </dev/null >/dev/null 2>&1 &`,
    `echo $! > '${pidfile}'`,
  ];
  writeFileSync(script, `${lines.join('\n')}\n`, { mode: 0o755 });
  return { start: [script], log, pidfile, started: () => Number(readFileSync(pidfile, 'utf8')) };
}

/** Everything that it wrote, unpacked; not what we wrote for it. */
function filesBelow(folder: string): readonly (readonly [string, string])[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.startsWith('state/compile-cache') && statSync(join(folder, name), { throwIfNoEntry: false })?.isFile() === true)
    .map((name) => [name, read(join(folder, name))] as const);
}

function read(file: string): string {
  const bytes = readFileSync(file);
  return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1');
}

async function shown({ adminUrl, audit, command }: Goodgateway): Promise<readonly (readonly [string, string])[]> {
  const incident = String(audit().find(({ event }) => event === 'incident.opened')?.['incident']);
  const paths = ['/metrics', '/state', '/api/state', '/api/services', '/api/policies', '/api/doctor', '/api/audit', '/api/incidents', `/api/incidents/${incident}`];
  const answers = await Promise.all(paths.map(async (path) => [path, await (await fetch(`${adminUrl}${path}`)).text()] as const));
  const commands = [['status'], ['log'], ['log', '--json'], ['why', incident, '--all'], ['why-not', 'shop'], ['report'], ['audit', 'export', '--format', 'csv'], ['audit', 'verify', '--json']];
  const printed = await Promise.all(commands.map(async (words) => [`goodgateway ${words.join(' ')}`, (await command(...words)).output] as const));
  return [...answers, ...printed];
}

/** What goes with a ticket, unpacked. */
async function bundled({ audit, command }: Goodgateway, folder: string): Promise<readonly (readonly [string, string])[]> {
  const incident = String(audit().find(({ event }) => event === 'incident.opened')?.['incident']);
  const file = join(folder, 'bundle.tar.gz');
  const { code, output } = await command('bundle', incident, '--output', file);
  if (code !== 0) throw new Error(output);
  await succeed(['tar', '--extract', '--file', file, '--directory', folder]);
  return filesBelow(folder).map(([name, text]) => [`bundle: ${name}`, text] as const);
}
