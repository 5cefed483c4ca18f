import t from 'tap';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Diagnosis, Evidence } from '../../src/core/diagnosis.ts';
import { systemClock } from '../../src/core/time.ts';
import * as registered from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import type { ProbeContext, ServiceTarget } from '../../src/healer/leaves.ts';
import { logTail } from '../../src/healer/probes/log-tail.ts';
import { external } from '../../src/healer/services/external.ts';
import type { SignatureTable } from '../../src/signatures/compile.ts';
import { signatureTable } from '../fixtures/signatures/explain-lines.ts';
import { caseFile, evidence as caseEvidence, type Scene, serviceConfig, serviceTarget } from '../fixtures/healer/case-file.ts';
import { tempFolder } from '../support/temp-folder.ts';

const noCommands = { run: () => Promise.reject(new Error('a log is read, nothing is run')), startDetached: () => Promise.reject(new Error('nothing is started')) };

async function evidenceOf(t: Parameters<typeof tempFolder>[0], lines: readonly string[], own = ''): Promise<readonly Evidence[]> {
  const folder = tempFolder(t);
  const file = join(folder, 'shop.log');
  writeFileSync(file, `${lines.join('\n')}\n`);
  if (own !== '') writeFileSync(join(folder, 'own.yaml'), own);
  const table = await signatureTable(...(own === '' ? [] : [join(folder, 'own.yaml')]));
  const target = serviceTarget({ config: serviceConfig({ type: 'external', log: file }) });
  return look(target, table);
}

function look(target: ServiceTarget, table: SignatureTable): Promise<readonly Evidence[]> {
  const context: ProbeContext = { target, run: noCommands, clock: systemClock, serviceType: external, lastGoodMs: 0, dependencies: [], signatures: async () => table };
  return logTail.look(context, new AbortController().signal);
}

t.test('a known line is evidence with its fields, its family and its votes', async (t) => {
  const [one, ...others] = await evidenceOf(t, ['hello', ...Array<string>(3).fill('WARNING: [pool www] server reached pm.max_children setting (5), consider raising it')]);
  t.same(others, []);
  t.match(one, {
    kind: 'log',
    text: /^WARNING: \[pool www\]/,
    facts: { signature: 'max_children_reached', entry: 'max_children_reached', pool: 'www', limit: 5, count: 3, program: 'php-fpm', sign: 'symptom' },
  });
  const [crash] = await evidenceOf(t, ['WARNING: [pool www] child 17 exited on signal 11 (SIGSEGV) after 1.0 seconds from start']);
  t.match(crash, { facts: { signature: 'child_signalled', entry: 'child_signalled.fault', pid: 17, signal: 11, for: ['app.segfault 100', 'app.poison_request 20'] } });
});

t.test('secrets and queries are taken out of what is quoted', async (t) => {
  const [slow, login] = await evidenceOf(t, [
    `WARNING: [pool www] child 12, script '/srv/shop/export.php' (request: "GET /export.php?token=SECRET1") executing too slow (11.2 sec), logging`,
    "PDOException: SQLSTATE[HY000] [1045] Access denied for user 'shop'@'db' (using password: YES) dsn mysql://shop:SECRET2@db/shop password=SECRET3",
  ]);
  t.match(slow, { text: /GET \/export\.php\?…/, facts: { script: '/srv/shop/export.php' } });
  t.match(login, { text: /using password: YES/ });
  t.notMatch(JSON.stringify([slow, login]), /SECRET/);
});

t.test("in the log of a pool's own PHP, which its user writes, no line is the master's word", async (t) => {
  const folder = tempFolder(t);
  const [pool, log] = [join(folder, 'pool.conf'), join(folder, 'php.log')];
  writeFileSync(pool, `[www]\nlisten = 127.0.0.1:9000\npm.max_children = 5\nphp_admin_value[error_log] = ${log}\n`);
  writeFileSync(log, "ERROR: unable to bind listening socket for address '/run/x.sock': Permission denied (13)\nPHP Fatal error:  Uncaught Error: no cart in /srv/x.php:3\n");
  const target = serviceTarget({ config: serviceConfig({ type: 'external', pool, log: join(folder, 'none.log') }) });
  const seen = await look(target, await signatureTable());
  t.match(
    seen.filter(({ source }) => source === log).map(({ facts }) => facts['signature']),
    ['php_fatal'],
  );
});

const payments = `version: 1
signatures:
  - id: shop_payment_timeout
    program: shop
    patterns: ['payment provider {host:word} did not answer']
    meaning: The payment provider did not answer.
    for: [{ cause: dependency.other, weight: 100 }, { cause: app.error, weight: 40 }]
`;
const diagnosed = (scene: Scene) => diagnose(caseFile(scene), Object.values(registered));
const shown = ({ others }: Diagnosis) => others.map(({ cause, confidence }) => `${cause} ${confidence}`);

t.test("an administrator's own lines are named as possible causes, and nothing is done for them", async (t) => {
  const evidence = await evidenceOf(t, ['payment provider pay.example did not answer'], payments);
  const symptom = { kind: 'no_progress', text: 'nothing was answered for 20 s' } as const;
  const alone = diagnosed({ evidence, symptom });
  t.match(alone.best, { cause: 'unknown' }, 'they are never the cause that is acted upon');
  t.same(shown(alone), ['dependency.other possible', 'app.error possible'], 'a proof in the eyes of who wrote the entry is only possible here');
  t.match(alone.others[0], { sentence: /shop_payment_timeout/, because: [/pay\.example/] });
  const errors = diagnosed({ evidence: [...evidence, caseEvidence('service_state', { state: 'running' })], symptom: { kind: 'status_5xx', text: 'errors' } });
  t.match([errors.best.cause, ...shown(errors)], ['app.error', 'unknown possible', 'dependency.other possible'], 'what a cause says of itself stands');
  t.same(shown(diagnosed({ evidence, symptom: { kind: 'asked', text: 'asked' } })), [], 'nothing is said of a service that is well');
  t.same(shown(diagnosed({ evidence: [...evidence, caseEvidence('http_answer', { result: 'status', status: 200 })], symptom })), []);
});

t.test('lines of the kinds that come with goodgateway are left to the causes that read them', async (t) => {
  const evidence = await evidenceOf(t, ['*** uWSGI listen queue of socket ":3031" (fd: 3) full !!! (101/100) ***']);
  t.equal(evidence.length, 1);
  t.same(shown(diagnosed({ evidence })), []);
});

t.test("an administrator's own entry is obeyed in place of a shipped one", async (t) => {
  const own = "version: 1\nsignatures:\n  - id: pool_busy\n    program: php-fpm\n    kind: noise\n    patterns: ['seems busy (you may need']\n    meaning: Nothing on this server.\n";
  const lines = ['WARNING: [pool www] seems busy (you may need to increase pm.start_servers), spawning 8 children'];
  t.match(await evidenceOf(t, lines), [{ facts: { sign: 'symptom' } }]);
  t.match(await evidenceOf(t, lines, own), [{ facts: { sign: 'noise', for: [] } }]);
});
