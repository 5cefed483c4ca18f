import t from 'tap';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evidence } from '../../src/core/diagnosis.ts';
import { systemClock } from '../../src/core/time.ts';
import { logVotes } from '../../src/healer/causes/read-votes.ts';
import type { ProbeContext, ServiceTarget } from '../../src/healer/leaves.ts';
import { logTail } from '../../src/healer/probes/log-tail.ts';
import { external } from '../../src/healer/services/external.ts';
import type { SignatureTable } from '../../src/signatures/compile.ts';
import { signatureTable } from '../fixtures/signatures/explain-lines.ts';
import { caseFile, serviceConfig, serviceTarget } from '../fixtures/healer/case-file.ts';
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

t.test('lines speak for and against a cause as sure as they are together', async (t) => {
  const evidence = await evidenceOf(t, [
    'invalid request block size: 7012 (max 4096)...skip',
    '*** uWSGI listen queue of socket ":3031" (fd: 3) full !!! (101/100) ***',
    'SQLSTATE[HY000] [2002] Connection refused',
  ]);
  const file = caseFile({ evidence });
  t.match(logVotes(file, 'config.buffer_size'), { confidence: 'certain', because: [{ text: /block size/ }], against: [] });
  t.match(logVotes(file, 'service.hung'), { confidence: 'possible' });
  t.match(logVotes(file, 'dependency.database'), { confidence: 'possible', because: [{ text: /2002/ }] });
  t.equal(logVotes(file, 'net.port_taken'), undefined);
  t.equal(logVotes(caseFile({ evidence: [] }), 'dependency.database'), undefined);
});

t.test("an administrator's own entry is obeyed in place of a shipped one", async (t) => {
  const own = "version: 1\nsignatures:\n  - id: pool_busy\n    program: php-fpm\n    kind: noise\n    patterns: ['seems busy (you may need']\n    meaning: Nothing on this server.\n";
  const lines = ['WARNING: [pool www] seems busy (you may need to increase pm.start_servers), spawning 8 children'];
  t.match(await evidenceOf(t, lines), [{ facts: { sign: 'symptom' } }]);
  const file = caseFile({ evidence: await evidenceOf(t, lines, own) });
  t.match(file.evidence, [{ facts: { sign: 'noise', for: [] } }]);
  t.equal(logVotes(file, 'app.slow'), undefined);
});
