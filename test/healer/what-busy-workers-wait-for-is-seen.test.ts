/** Probes of slow and failing applications against real php-fpm pools and a real Apache. */
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
import type { Dependency, ProbeContext, ServiceTarget } from '../../src/healer/leaves.ts';
import * as registeredProbes from '../../src/healer/probes/registry.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as services from '../../src/healer/services/registry.ts';
import { fastcgi } from '../../src/upstream/fastcgi/exchange.ts';
import { encodeParams } from '../../src/upstream/fastcgi/params.ts';
import { caseFile, serviceConfig, serviceTarget } from '../fixtures/healer/case-file.ts';
import { startPhpFpm, type PhpFpm } from '../support/php-fpm.ts';
import { isRoot, missing } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const skip = missing('php-fpm8.2') || (isRoot ? false : 'the kernel shows what others wait for to root only');
const causes = Object.values(registeredCauses);

const scripts = {
  'remote.php': '<?php $s = stream_socket_client($_GET["at"]); fread($s, 10);',
  'lock.php': '<?php session_save_path($_GET["at"]); session_id("secretsecretsecret"); session_start(); usleep(20000000);',
  'sleep.php': '<?php usleep(20000000);',
  'program.php': '<?php exec("sh -c \'sleep 20; true\'");',
  'compute.php': '<?php for (;;);',
};

t.test('the things that the workers of one pool wait for are told apart, and named', { skip }, async (t) => {
  const folder = tempFolder(t);
  const [tcp, unix] = [await silentServer(t, 0), join(folder, 'silent.sock')];
  await silentServer(t, unix);
  const fpm = await startPhpFpm(t, { maxChildren: 9, scripts, pool: ['php_admin_value[max_execution_time] = 0'] });
  const asked = ['remote', 'remote', 'unix', 'lock', 'lock', 'lock', 'sleep', 'program', 'compute'];
  const at = { remote: `tcp://127.0.0.1:${tcp}`, unix: `unix://${unix}`, lock: fpm.data };
  for (const what of asked) ask(t, fpm, `/${what === 'unix' ? 'remote' : what}.php`, `at=${at[what as keyof typeof at] ?? ''}`);
  let last: readonly Evidence[] = [];
  const seen = await until(
    async () => {
      const waits = (last = await look(fpm));
      return waits.length === 6 && waits.every(({ facts }) => facts['on'] !== 'unclear') ? waits : undefined;
    },
    { timeoutMs: 8000, what: () => `nine workers at their places: ${JSON.stringify(last)}` },
  );
  const byKind = new Map(seen.map((one) => [`${one.facts['on']} ${one.facts['kind'] ?? ''}`, one]));
  t.match(seen.find(({ facts }) => facts['thing'] === `127.0.0.1:${tcp}`), { facts: { on: 'address', count: 2, busy: 9, kind: 'other', name: /^node/ } });
  t.match(seen.find(({ facts }) => facts['thing'] === `unix:${unix}`), { facts: { on: 'address', count: 1 } });
  const lock = byKind.get('lock ');
  t.match(lock, { facts: { count: 2, thing: `a session file in ${fpm.data}`, holderIsWorker: true } });
  t.ok(fpm.workers().some(({ pid }) => pid === lock?.facts['holder']));
  t.notMatch(JSON.stringify(seen), /secretsecret/);
  t.match(byKind.get('program '), { facts: { thing: 'sleep', count: 1 } });
  t.match(byKind.get('sleep '), { facts: { count: 2 } }, 'one sleeps, and one sleeps with the lock');
  t.match(byKind.get('computing '), { text: '1 of 9 busy workers computes.' });
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
  void fastcgi.attempt(request, parseAddress(fpm.address)!, { connectTimeoutMs: 1000, responseTimeoutMs: 20_000, idleTimeoutMs: 20_000 });
  t.teardown(() => gone.abort());
}

function targetOf(fpm: PhpFpm): ServiceTarget {
  return serviceTarget({ config: serviceConfig({ type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv }), upstreams: [fpm.address] });
}

async function look(fpm: PhpFpm, probes = [registeredProbes.workerWaits], dependencies: readonly Dependency[] = []): Promise<readonly Evidence[]> {
  const context: ProbeContext = { target: targetOf(fpm), run: runCommand, clock: systemClock, serviceType: services.process, lastGoodMs: Date.now() - 60_000, dependencies };
  return gatherEvidence(context, probes, new AbortController().signal, 'all');
}
