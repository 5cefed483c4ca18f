/** Probes of slow and failing applications against real php-fpm pools and a real Apache. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import type { Evidence } from '../../src/core/diagnosis.ts';
import { parseAddress } from '../../src/core/failure.ts';
import { systemClock } from '../../src/core/time.ts';
import * as registeredCauses from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import { gatherEvidence } from '../../src/healer/gather-evidence.ts';
import type { CaseFile, Dependency, ProbeContext, ServiceState, ServiceTarget } from '../../src/healer/leaves.ts';
import * as registeredProbes from '../../src/healer/probes/registry.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as services from '../../src/healer/services/registry.ts';
import { fastcgi } from '../../src/upstream/fastcgi/exchange.ts';
import { encodeParams } from '../../src/upstream/fastcgi/params.ts';
import { caseFile, evidence, serviceConfig, serviceTarget } from '../fixtures/healer/case-file.ts';
import { startApache } from '../support/apache.ts';
import { startPhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { accepts, freePort } from '../support/ports.ts';
import { family, signal } from '../support/processes.ts';
import { start } from '../support/program.ts';
import { isRoot, missing, programPath } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const skip = missing('php-fpm8.2') || (isRoot ? false : 'the kernel shows what others wait for to root only');
const causes = Object.values(registeredCauses);

const scripts = {
  'remote.php': '<?php $s = stream_socket_client($_GET["at"]); fread($s, 10);',
  'lock.php': '<?php session_save_path($_GET["at"]); session_id("secretsecretsecret"); session_start(); usleep(60000000);',
  'sleep.php': '<?php usleep(60000000);',
  'program.php': '<?php exec("sh -c \'sleep 60; true\'");',
  'compute.php': '<?php for (;;);',
  'fatal.php': '<?php no_such_function();',
  'memory.php': '<?php ini_set("memory_limit", "4M"); str_repeat("x", 100000000);',
};

t.test('the things that the workers of one pool wait for are told apart, and named', { skip }, async (t) => {
  const folder = tempFolder(t);
  const [tcp, unix] = [await silentServer(t, 0), join(folder, 'silent.sock')];
  await silentServer(t, unix);
  const fpm = await startPhpFpm(t, { maxChildren: 9, scripts, pool: ['php_admin_value[max_execution_time] = 0'] });
  const asked = ['remote', 'remote', 'unix', 'lock', 'lock', 'lock', 'sleep', 'program', 'compute'];
  const at = { remote: `tcp://127.0.0.1:${tcp}`, unix: `unix://${unix}`, lock: fpm.data };
  for (const what of asked) ask(t, fpm, `/${what === 'unix' ? 'remote' : what}.php`, `at=${at[what as keyof typeof at] ?? ''}`);
  const inPlace = (waits: readonly Evidence[]): boolean => waits.length === 6 && waits.every(({ facts }) => facts['on'] !== 'unclear');
  const seen = await untilSeen(() => look(fpm), 'nine workers at their places', inPlace);
  const byKind = new Map(seen.map((one) => [`${one.facts['on']} ${one.facts['kind'] ?? ''}`, one]));
  t.match(
    seen.find(({ facts }) => facts['thing'] === `127.0.0.1:${tcp}`),
    { facts: { on: 'address', count: 2, busy: 9, kind: 'other', name: /^node/ } },
  );
  t.match(
    seen.find(({ facts }) => facts['thing'] === `unix:${unix}`),
    { facts: { on: 'address', count: 1 } },
  );
  const lock = byKind.get('lock ');
  t.match(lock, { facts: { count: 2, thing: `a session file in ${fpm.data}`, holderIsWorker: true } });
  t.ok(fpm.workers().some(({ pid }) => pid === lock?.facts['holder']));
  t.notMatch(JSON.stringify(seen), /secretsecret/);
  t.match(byKind.get('program '), { facts: { thing: 'sleep', count: 1 } });
  t.match(byKind.get('sleep '), { facts: { count: 2 } }, 'one sleeps, and one sleeps with the lock');
  t.match(byKind.get('computing '), { text: '1 of 9 busy workers computes.' });
});

t.test('a pool that waits for one address, its slow page, its time limit and its fatal errors are told by php-fpm itself', { skip }, async (t) => {
  const port = await silentServer(t, 0);
  const folder = tempFolder(t);
  const limits = ['request_slowlog_timeout = 1s', 'request_terminate_timeout = 4s', `slowlog = ${folder}/slow.log`, 'pm.status_path = /status', `pm.status_listen = ${folder}/status.sock`];
  const fpm = await startPhpFpm(t, { maxChildren: 3, scripts, pool: limits });
  const api: Dependency = { name: 'payments', kind: 'other', trouble: undefined, address: { kind: 'tcp', host: 'localhost', port } };
  const causeOf = (seen: readonly Evidence[], symptom: Partial<CaseFile['symptom']>) => diagnose(caseFile({ target: targetOf(fpm), symptom, evidence: seen }), causes).best;

  ask(t, fpm, '/memory.php');
  for (let n = 0; n < 3; n++) ask(t, fpm, '/fatal.php');
  const failed = await untilSeen(
    async () => (await look(fpm, ['log-tail'])).filter(({ facts }) => String(facts['signature']).startsWith('php_')),
    'the errors in the log',
    (found) => found.length === 2 && found.some(({ facts }) => facts['signature'] === 'php_fatal' && facts['count'] === 3),
  );
  const errorOf = (signature: string) => failed.find(({ facts }) => facts['signature'] === signature)?.facts;
  t.match(errorOf('php_memory_limit'), { bytes: 4_194_304, file: join(fpm.docroot, 'memory.php'), line: 1 });
  t.match(errorOf('php_fatal'), { file: join(fpm.docroot, 'fatal.php'), line: 1 });
  t.match(causeOf([...(await look(fpm, ['service-state'])), ...failed], { kind: 'status_5xx', text: '20 of 20 answers were errors' }), {
    cause: 'app.error',
    confidence: 'certain',
    subject: /memory\.php$/,
  });

  const quick = ['process-states', 'service-state', 'fpm-status', 'worker-waits', 'slow-pages', 'log-tail'];
  const ended = (seen: readonly Evidence[]) => Number(seen.find(({ facts }) => facts['signature'] === 'script_terminated')?.facts['count'] ?? 0);
  let asked = 0;
  // a slow machine may not come to look before the time limit has ended them: then three more are asked for
  const full = await untilSeen(
    async () => {
      const seen = await look(fpm, quick, [api]);
      for (let n = ended(seen) >= asked ? 0 : 3; n < 3; n++, asked++) ask(t, fpm, '/remote.php', `at=tcp://127.0.0.1:${port}&key=hidden`);
      return seen;
    },
    'a pool that waits',
    (seen) => find(seen, 'busy_page')?.facts['count'] === 3 && find(seen, 'worker_waits')?.facts['count'] === 3 && Number(find(seen, 'slow_trace')?.facts['count']) >= 3,
  );
  t.match(find(full, 'worker_waits'), { text: `3 of 3 busy workers wait for 127.0.0.1:${port} (payments).`, facts: { known: true } });
  t.match(find(full, 'busy_page')?.facts, { page: '/remote.php', count: 3, busy: 3 });
  t.match(find(full, 'slow_trace')?.facts, { script: join(fpm.docroot, 'remote.php'), call: 'fread', waits: 'remote', at: /remote\.php:1$/ });
  t.notMatch(JSON.stringify(full), /hidden/, 'a query stays where it is');
  t.match(causeOf(full, { kind: 'no_progress' }), { cause: 'dependency.other', confidence: 'likely', subject: 'payments', sentence: /waits for payments at 127\.0\.0\.1/ });

  const over = await untilSeen(
    async () => look(fpm, quick),
    'the end of the time limit',
    (seen) => ended(seen) === asked,
  );
  t.match(find(over, 'fpm_timeouts')?.text, /request_terminate_timeout = 4s/);
  t.match(causeOf(over, { kind: 'connection_terminated' }), { cause: 'config.timeout', confidence: 'certain', subject: 'request_terminate_timeout = 4s', sentence: /remote\.php/ });
  t.notMatch(JSON.stringify(over), /hidden/);
});

t.test(
  'a worker that crashes in an extension is told with the place and its package, and no crash of another pool is',
  { skip: skip || (readFileSync('/proc/sys/debug/exception-trace', 'utf8').trim() === '1' ? false : 'this kernel does not log crashes') },
  async (t) => {
    const crash = '<?php $f = FFI::cdef("int abs(int);"); $p = FFI::cast("int*", FFI::cast("void*", 1)); echo $p[0];';
    const options = { maxChildren: 1, scripts: { 'crash.php': crash }, pool: ['php_admin_value[ffi.enable] = 1'] };
    const [fpm, other] = await Promise.all([startPhpFpm(t, options), startPhpFpm(t, options)]);
    const crashOf = async (one: PhpFpm): Promise<Evidence> => {
      ask(t, one, '/crash.php');
      const seen = await untilSeen(
        () => look(one, ['worker-faults']),
        'the crash in the log of the kernel',
        (found) => found.length > 0,
      );
      return seen[0]!;
    };
    await crashOf(other);
    t.same(await look(fpm, ['worker-faults']), []);
    const fault = await crashOf(fpm);
    t.match(fault, { facts: { program: 'php-fpm8.2', object: 'ffi.so', count: 1, package: 'php8.2-common' }, text: /crashed .* in \/usr\/lib\/php\/\d+\/ffi\.so of the package php8\.2-common/ });
  },
);

t.test('processes of an HTTP application that wait for one address are no hang', { skip: skip || missing('php8.2') }, async (t) => {
  const [port, silent] = [await freePort(), await silentServer(t, 0)];
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'index.php'), `<?php fread(stream_socket_client("tcp://127.0.0.1:${silent}"), 10);`);
  const server = start([programPath('php8.2'), '-S', `127.0.0.1:${port}`, '-t', folder], { environment: { PHP_CLI_SERVER_WORKERS: '2' } });
  t.teardown(async () => {
    for (const { pid } of family(server.pid)) signal(pid, 'SIGKILL');
    await server.ended;
  });
  await until(() => accepts({ host: '127.0.0.1', port }), { timeoutMs: 15_000, what: () => server.output() });
  const gone = new AbortController();
  t.teardown(() => gone.abort());
  const target = serviceTarget({ config: serviceConfig({ type: 'process', start: ['/bin/true'] }), protocol: 'http', upstreams: [`127.0.0.1:${port}`] });
  const state: ServiceState = { state: 'running', text: 'It runs.', mainPid: server.pid, pids: [server.pid], fence: '1' };
  const see = () => lookAt({ target, serviceType: { ...services.process, state: async () => state } }, ['worker-waits', 'service-state', 'process-states']);
  let seen: readonly Evidence[] = [];
  // one after the other: a free worker may take two connections at once, and then one of them waits for the other
  for (let count = 1; count <= 2; count++) {
    void fetch(`http://127.0.0.1:${port}/`, { signal: gone.signal }).catch(() => undefined);
    seen = await untilSeen(see, `${count} that wait`, (found) => find(found, 'worker_waits')?.facts['count'] === count);
  }
  const { best, others } = diagnose(
    caseFile({ target, symptom: { kind: 'no_progress' }, traffic: { inFlight: 2, noProgressMs: 20_000 }, evidence: [...seen, evidence('http_answer', { result: 'timeout' })] }),
    causes,
  );
  t.match(best, { cause: 'dependency.other', confidence: 'likely', subject: `127.0.0.1:${silent}` });
  t.match(others.find(({ cause }) => cause === 'service.hung') ?? { confidence: 'possible' }, { confidence: 'possible' });
});

t.test("Apache's status page tells what its workers do, and in which page", { skip: missing('apache2') }, async (t) => {
  const apache = await startApache(t, {
    extra: `LoadModule status_module /usr/lib/apache2/modules/mod_status.so\nExtendedStatus On\n<Location /server-status>\nSetHandler server-status\n</Location>`,
  });
  writeFileSync(join(apache.folder, 'cgi-bin', 'slow'), '#!/bin/sh\nsleep 60\n', { mode: 0o755 });
  const gone = new AbortController();
  t.teardown(() => gone.abort());
  for (let n = 0; n < 3; n++) void fetch(`${`http://${apache.address}`}/cgi-bin/slow?key=hidden`, { signal: gone.signal }).catch(() => undefined);
  const config = serviceConfig({ type: 'process', pidfile: apache.pidfile, start: apache.startArgv, server_status: `http://${apache.address}/server-status` });
  const target = serviceTarget({ config, protocol: 'http', upstreams: [apache.address] });
  const seen = await untilSeen(
    async () => lookAt({ target, serviceType: services.process }, ['apache-status']),
    'three in one page, and the look itself',
    // the worker of the look before may still be at its end
    (found) => find(found, 'busy_page')?.facts['count'] === 3 && /busy \(4 write an answer/.test(find(found, 'apache_status')?.text ?? ''),
  );
  t.match(find(seen, 'busy_page'), { facts: { page: '/cgi-bin/slow', busy: 3 }, text: /^3 of 3 busy workers are in \/cgi-bin\/slow/ });
  t.match(find(seen, 'apache_status'), { facts: { active: 4, total: 16, most: 32 }, text: /^Apache's status page: 4 of 16 workers are busy \(4 write an answer \(W\)\), 16 more may be started\.$/ });
  t.notMatch(JSON.stringify(seen), /hidden/);
  const none = serviceTarget({ ...target, config: serviceConfig({ type: 'external', server_status: `http://${apache.address}/index.html` }), upstreams: [apache.address] });
  t.match(await lookAt({ target: none, serviceType: services.external }, ['apache-status']), [{ missing: /mod_status/ }]);
});

function silentServer(t: TestScope, where: number | string): Promise<number> {
  const server: Server = createServer((socket) => socket.on('error', () => {}));
  t.teardown(() => server.close());
  return new Promise((resolve) =>
    server.listen(typeof where === 'number' ? { host: '127.0.0.1', port: where } : { path: where, writableAll: true }, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    }),
  );
}

function ask(t: TestScope, fpm: PhpFpm, script: string, query = ''): void {
  const gone = new AbortController();
  const params = encodeParams([
    ['REQUEST_METHOD', 'GET'],
    ['SCRIPT_FILENAME', join(fpm.docroot, script)],
    ['SCRIPT_NAME', script],
    ['REQUEST_URI', `${script}?${query}`],
    ['QUERY_STRING', query],
  ]);
  const request = { method: 'GET', target: script, wire: { protocol: 'fastcgi', params, role: 1 }, body: { length: 0, open: () => Readable.from([]) }, clientGone: gone.signal } as const;
  void fastcgi.attempt(request, parseAddress(fpm.address)!, { connectTimeoutMs: 20_000, responseTimeoutMs: 60_000, idleTimeoutMs: 60_000 });
  t.teardown(() => gone.abort());
}

function targetOf(fpm: PhpFpm): ServiceTarget {
  return serviceTarget({ config: serviceConfig({ type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv }), upstreams: [fpm.address] });
}

function look(fpm: PhpFpm, names: readonly string[] = ['worker-waits'], dependencies: readonly Dependency[] = []): Promise<readonly Evidence[]> {
  return lookAt({ target: targetOf(fpm), serviceType: services.process, dependencies }, names);
}

function lookAt(of: Pick<ProbeContext, 'target' | 'serviceType'> & Partial<ProbeContext>, names: readonly string[]): Promise<readonly Evidence[]> {
  const context: ProbeContext = { run: runCommand, clock: systemClock, lastGoodMs: Date.now() - 60_000, dependencies: [], ...of };
  const probes = Object.values(registeredProbes).filter(({ name }) => names.includes(name));
  return gatherEvidence(context, probes, new AbortController().signal, 'all');
}

/** Looks until what is seen is as it should be; what was seen last is told. */
async function untilSeen(see: () => Promise<readonly Evidence[]>, what: string, holds: (seen: readonly Evidence[]) => boolean): Promise<readonly Evidence[]> {
  let last: readonly Evidence[] = [];
  await until(async () => holds((last = await see())), { timeoutMs: 30_000, what: () => `${what}: ${last.map(({ text, missing: why }) => why ?? text).join(' ')}` });
  return last;
}

function find(seen: readonly Evidence[], kind: string): Evidence | undefined {
  return seen.find((one) => one.kind === kind);
}
