/**
 * The real healer, a service that dies, and receivers that are real servers: one thread an incident, nothing lost while a
 * receiver is away or the healer is killed, no repair delayed by it, and no secret anywhere.
 */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { smtpServer } from '../fixtures/notifiers/smtp-server.ts';
import { webhookReceiver, type WebhookReceiver } from '../fixtures/notifiers/webhook-receiver.ts';
import { processInfo, signal } from '../support/processes.ts';
import { finish, start, type Running } from '../support/program.ts';
import { missing } from '../support/skip.ts';
import { smallService, type SmallService } from '../support/small-service.ts';
import { until } from '../support/until.ts';

const source = join(import.meta.dirname, '../../src');
const patience = { timeoutMs: 20_000 };
const everything = ['started', 'recovered', 'gave_up', 'blocked', 'repeated'];

const bodySchema = z.object({
  id: z.string(),
  thread: z.string(),
  event: z.string(),
  severity: z.string(),
  service: z.string(),
  code: z.string().optional(),
  lines: z.array(z.string()),
  host: z.string(),
});
const bodiesOf = ({ received }: WebhookReceiver) => received.map(({ body }) => bodySchema.parse(JSON.parse(body)));

interface Healer {
  log(): string;
  kill(): Promise<void>;
}

async function startHealer(t: Test, small: SmallService): Promise<Healer> {
  const running: Running = start([process.execPath, '--disable-warning=ExperimentalWarning', join(source, 'healer/main.ts'), '--config', small.config]);
  const kill = async (): Promise<void> => {
    signal(running.pid, 'SIGKILL');
    await until(() => processInfo(running.pid) === undefined, { ...patience, what: 'the end of the healer' });
  };
  t.teardown(kill);
  await until(() => running.output().includes('the healer is ready'), { timeoutMs: 60_000, what: () => `the healer: ${running.output()}` });
  return { log: running.output, kill };
}

const command = (small: SmallService, ...words: readonly string[]) =>
  finish([process.execPath, '--disable-warning=ExperimentalWarning', join(source, 'cli/main.ts'), ...words, '--config', small.config], { timeoutMs: 60_000 });
const count = (small: SmallService, event: string): number => small.audit().filter((record) => record.event === event).length;

/** What was decided and done, in its order: what a receiver does must not show in it. What is kept beside an act is done when it is done. */
const story = (small: SmallService, since = 0): readonly string[] =>
  small
    .audit()
    .slice(since)
    .filter(({ incident, event }) => incident !== undefined && !event.startsWith('evidence.') && event !== 'incident.relapsed')
    .map(({ event }) => event);

function planted(small: SmallService, name: string, text: string): string {
  const file = join(small.folder, name);
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return file;
}

t.test('receivers that are away delay nothing and miss nothing, over a kill of the healer; a mail and a program tell the same', { skip: missing('aiosmtpd', 'python3') }, async (t) => {
  const small = await smallService(t);
  const away = await webhookReceiver(t, { away: true });
  const mail = await smtpServer(t, { tls: 'none' });
  await mail.away();
  const [taken, program] = [join(small.folder, 'taken'), join(small.folder, 'takes')];
  writeFileSync(program, `#!/bin/sh\ncat >> ${taken}\n`, { mode: 0o755 });
  const secrets = ['planted-token-4711', 'planted-path-4712', 'planted-key-4713'] as const;
  small.writePolicy({ notify: { to: ['hook', 'mail', 'program'], events: everything } });
  small.writeHost({
    safety: { host_budget: { starts: 1000 }, humans_first: '0s', pause_when: [] },
    notifiers: {
      hook: { type: 'webhook', url_file: planted(small, 'url', `${away.url}${secrets[1]}`), token_file: planted(small, 'token', secrets[0]), secret_file: planted(small, 'key', secrets[2]) },
      mail: { type: 'email', host: '127.0.0.1', port: mail.port, tls: 'none', from: 'gw@web1.example', to: ['ops@example.com'] },
      program: { type: 'run', command: [program] },
    },
  });
  const first = await startHealer(t, small);
  await small.crash();
  await until(() => count(small, 'incident.recovered') === 1, { ...patience, what: () => `the repair: ${first.log().slice(-3000)}` });
  const undelayed = story(small);
  const spool = (name: string): readonly string[] => (existsSync(join(small.folder, 'state/spool', name)) ? readdirSync(join(small.folder, 'state/spool', name)) : []);
  await until(() => spool('hook').length === 2 && spool('mail').length === 2 && spool('program').length === 0, { ...patience, what: () => `two messages that wait: ${first.log().slice(-3000)}` });
  const says = async (): Promise<boolean> =>
    /2 messages wait for hook since .*cannot be reached \(ECONNREFUSED\); to try it: goodgateway notify --test hook/.test((await command(small, 'status')).output);
  await until(says, { timeoutMs: 30_000, what: 'the status to say who waits for whom' });

  await first.kill();
  t.equal(spool('hook').length, 2);
  await mail.listen();
  await away.listen();
  const second = await startHealer(t, small);
  await until(() => away.received.length === 2 && mail.mails().length === 2, { ...patience, what: () => `what had waited: ${second.log().slice(-3000)}` });
  await until(() => spool('hook').length + spool('mail').length === 0, { ...patience, what: 'empty spools' });
  const [opened, recovered] = bodiesOf(away);
  const incident = String(small.audit().find(({ event }) => event === 'incident.opened')?.['incident']);
  t.match(
    [opened, recovered],
    [
      { event: 'incident.opened', thread: incident, code: incident.slice(-6), service: 'small', lines: [/^small - a repair begins/, /^Why: /, /^Now: start by the rule/] },
      { event: 'incident.recovered', thread: incident, severity: 'info', lines: [/^small is well again/, /^Why: /, 'Done: start.', /^Now: all checks pass, .* after it began\./] },
    ],
  );
  t.match(away.received[0], { path: `/${secrets[1]}`, headers: { authorization: `Bearer ${secrets[0]}`, 'x-goodgateway-signature': /^sha256=[0-9a-f]{64}$/ } });
  t.ok(
    mail.mails().every(({ content }) => content.includes(`incident ${incident.slice(-6)}`) && content.includes(`References: <${incident}@`)),
    'one thread of mails',
  );
  const told = readFileSync(taken, 'utf8')
    .trim()
    .split('\n')
    .map((line) => z.object({ id: z.string() }).parse(JSON.parse(line)).id);
  t.same(told, [opened?.id, recovered?.id], 'every receiver knows a message by the same id');

  const before = small.audit().length;
  await small.crash();
  await until(() => count(small, 'incident.recovered') === 2, { ...patience, what: 'the second repair' });
  t.same(story(small, before), undelayed, 'a repair is the same whether receivers are there or not');
  await second.kill();

  const files = readdirSync(small.folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !['url', 'token', 'key'].includes(name))
    .map((name) => join(small.folder, name));
  const written = files.filter((file) => statSync(file).isFile()).map((file) => readFileSync(file, 'utf8'));
  const said = [...written, first.log(), second.log(), ...away.received.map(({ body }) => body), ...mail.mails().map(({ content }) => content)].join('\n');
  for (const word of secrets) t.notOk(said.includes(word), word);
});

t.test('a question goes out with the exact command; its answer and the end follow; what a receiver refuses is on record', async (t) => {
  const small = await smallService(t);
  const receiver = await webhookReceiver(t);
  const refuses = await webhookReceiver(t);
  refuses.answer = { status: 422, body: 'odd' };
  const rule = { name: 'Crashed, so ask', when: { cause: 'service.crashed' }, try: [{ do: 'start', approval: { from: ['hook', 'odd'], within: '10m' } }] };
  small.writePolicy({ rules: [rule], notify: { to: ['hook'], events: everything } });
  small.writeHost({ notifiers: { hook: { type: 'webhook', url: receiver.url }, odd: { type: 'webhook', url: refuses.url } } });
  const healer = await startHealer(t, small);
  await small.crash();
  await until(() => receiver.received.length === 1, { ...patience, what: () => `the question: ${healer.log().slice(-3000)}` });
  const [asked] = bodiesOf(receiver);
  t.match(asked, {
    event: 'approval.asked',
    severity: 'critical',
    lines: [
      /^small - may goodgateway start it\? \(incident \w{6}\)/,
      /^Why: /,
      'Done: nothing by goodgateway.',
      /^Now: the rule "Crashed, so ask" waits (10|9\.\d) min/,
      /^Please: goodgateway approve \w{6} \(or: goodgateway deny \w{6}\)$/,
    ],
  });
  await until(() => count(small, 'notification.failed') === 1, { ...patience, what: 'the record of the one that was refused' });
  t.match(
    small.audit().find(({ event }) => event === 'notification.failed'),
    { incident: asked?.thread, service: 'small', text: /^odd was not told \(127\.0\.0\.1:\d+ answered 422: odd\): small - may goodgateway start it/ },
  );
  const [, , , , please = ''] = asked?.lines ?? [];
  t.match(await command(small, ...(/goodgateway (approve \w{6})/.exec(please)?.[1] ?? '').split(' ')), { code: 0 });
  await until(() => receiver.received.length === 3, { ...patience, what: () => `the repair and its end: ${healer.log().slice(-3000)}` });
  t.match(bodiesOf(receiver), [{}, { event: 'incident.opened', thread: asked?.thread }, { event: 'incident.recovered', thread: asked?.thread }]);
});

t.test('notify --test says what came of it, and needs no healer', async (t) => {
  const small = await smallService(t);
  const receiver = await webhookReceiver(t);
  const missingFile = join(small.folder, 'none');
  small.writeHost({ notifiers: { hook: { type: 'webhook', url: receiver.url, format: 'slack' }, silent: { type: 'webhook', url_file: missingFile } } });
  t.match(await command(small, 'notify', '--test', 'hok'), { code: 2, output: /no notifier has the name "hok": did you mean hook\?/ });
  t.match(await command(small, 'notify', '--test'), { code: 1, output: /^hook: taken after \d[^]*silent was not told: .*none cannot be read \(ENOENT\)/ });
  t.match(receiver.received[0]?.body, /a test of the notifier hook/);
  const check = await command(small, 'check');
  t.match(check.output, /goodgateway\.yaml:\d+:\d+: warning: url_file: .*none does not exist on this host, so silent is not told anything before it does/);
  writeFileSync(missingFile, 'https://example.com/secret\n', { mode: 0o644 });
  t.match(await command(small, 'notify', '--test', 'silent'), { code: 2, output: /url_file: everybody on this host can read .*none: chmod 600 / });
  rmSync(missingFile);
});
