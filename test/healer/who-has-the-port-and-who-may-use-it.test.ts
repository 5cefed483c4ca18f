/** The way to a service without a namespace: who holds its port, who may use its socket, and what is spoken there. */
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import t from 'tap';
import type { Evidence } from '../../src/core/diagnosis.ts';
import { systemClock } from '../../src/core/time.ts';
import * as registered from '../../src/healer/causes/registry.ts';
import { diagnose } from '../../src/healer/diagnose.ts';
import { gatherEvidence } from '../../src/healer/gather-evidence.ts';
import type { Probe, ProbeContext, ServiceState, ServiceTarget } from '../../src/healer/leaves.ts';
import { certificate, httpAnswer, listenSocket, serviceState, socketAccess } from '../../src/healer/probes/registry.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import { caseFile, serviceTarget, type Scene } from '../fixtures/healer/case-file.ts';
import { makeAuthority } from '../fixtures/tls/certificates.ts';
import { startNginx } from '../support/nginx.ts';
import { processInfo, signal } from '../support/processes.ts';
import { finish, start } from '../support/program.ts';
import { isRoot, missing } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const causes = Object.values(registered);
const failed: ServiceState = { state: 'failed', text: 'It failed.', pids: [], fence: '' };
const running: ServiceState = { state: 'running', text: 'It runs.', mainPid: process.pid, pids: [process.pid], fence: '1' };
const never = new AbortController().signal;

function contextOf(target: ServiceTarget, state: ServiceState): ProbeContext {
  const serviceType = { name: target.config.type, state: async () => state, can: () => false, control: () => Promise.reject(new Error('a probe must not act')), configTest: () => undefined };
  return { target, run: runCommand, clock: systemClock, serviceType, lastGoodMs: Date.now(), dependencies: [] };
}

async function look(context: ProbeContext, ...probes: readonly Probe[]): Promise<readonly Evidence[]> {
  // a slow machine is given time
  const patient = [serviceState, ...probes].map((probe) => ({ ...probe, deadlineMs: 20_000 }));
  return gatherEvidence(context, patient, never, 'all');
}

function named(target: ServiceTarget, evidence: readonly Evidence[], scene: Omit<Scene, 'evidence' | 'target'> = {}) {
  const { best } = diagnose(caseFile({ ...scene, target, evidence }), causes);
  return { cause: best.cause, confidence: best.confidence, text: `${best.sentence} ${best.remedy}` };
}

async function listening(t: TestScope, server: Server, where: string | number): Promise<number> {
  if (typeof where === 'string') server.listen(where);
  else server.listen(where, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

t.test('a dead service whose port another program has taken is not told to start', async (t) => {
  const port = await listening(t, createServer(), 0);
  const target = serviceTarget({ upstreams: [`127.0.0.1:${port}`] });
  const seen = await look(contextOf(target, failed), listenSocket);
  t.match(
    seen.find(({ kind }) => kind === 'listener'),
    { facts: { state: 'listening', byService: false, user: isRoot ? 'root' : /./ }, text: new RegExp(`\\(pid ${process.pid}, .*user \\w+\\) listens on`) },
  );
  t.match(named(target, seen), {
    cause: 'net.port_taken',
    confidence: 'certain',
    text: new RegExp(`pid ${process.pid}.* listens on 127\\.0\\.0\\.1:${port}, so that shop cannot\\..*systemctl start php8\\.2-fpm`),
  });
});

t.test('a socket that nginx may not use is named, with what forbids it', { skip: isRoot ? missing('nginx') : 'needs root, to be another user' }, async (t) => {
  const folder = tempFolder(t);
  const own = join(folder, 'run');
  mkdirSync(own);
  const path = join(own, 'shop.sock');
  await listening(t, createServer(), path);
  await startNginx(t, { server: '' });
  copyFileSync('/usr/bin/sleep', join(folder, 'nginx'));
  const pretender = start(['/usr/bin/setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', join(folder, 'nginx'), '300']);
  t.teardown(async () => {
    signal(pretender.pid, 'SIGKILL');
    await pretender.ended;
  });
  await until(() => processInfo(pretender.pid)?.command.startsWith(join(folder, 'nginx')), { timeoutMs: 15_000, what: 'the program that calls itself nginx' });
  const refused = async () =>
    (await finish(['/usr/bin/setpriv', '--reuid=www-data', '--regid=www-data', '--clear-groups', '/usr/bin/curl', '-sv', '--max-time', '10', '--unix-socket', path, 'http://x/'])).output.includes(
      'Permission denied',
    );
  const target = serviceTarget({ upstreams: [`unix:${path}`], protocol: undefined });
  const everybody = async () => look(contextOf(target, running), listenSocket, socketAccess);
  const denials = async () => (await everybody()).filter(({ kind, facts }) => kind !== 'socket_access' || (facts['program'] === 'nginx' && facts['user'] === 'www-data'));
  const denied = (seen: readonly Evidence[]) => seen.find(({ kind }) => kind === 'socket_access');
  const symptom = { seenBy: 'nginx_log', kind: 'proxy_configuration_error', errno: 'EACCES', text: 'nginx was refused the socket.' } as const;

  chmodSync(path, 0o600);
  await until(async () => denied(await denials()), { timeoutMs: 15_000, what: 'nginx to be www-data' });
  const closed = await denials();
  t.notOk(
    (await everybody()).some(({ kind, facts }) => kind === 'socket_access' && facts['user'] === 'nobody'),
    'a program that anybody may call nginx is none',
  );
  t.ok(await refused(), 'the kernel refuses it, too');
  t.match(denied(closed), { facts: { at: path, isSocket: true, owner: 'root', mode: '0600' } });
  t.match(named(target, closed, { symptom }), { cause: 'config.permission', confidence: 'certain', text: /nginx runs as www-data and may not use .*shop\.sock \(root:root, mode 0600\)/ });
  t.match(named(target, closed), { cause: 'unknown' }, 'nobody was refused yet');

  chmodSync(path, 0o666);
  t.equal(denied(await denials()), undefined);
  chmodSync(own, 0o700);
  t.ok(await refused());
  t.match(denied(await denials()), { facts: { at: own, isSocket: false, mode: '0700' } });
  const linked = join(folder, 'link');
  symlinkSync(own, linked);
  const throughLink = serviceTarget({ upstreams: [`unix:${linked}/shop.sock`], protocol: undefined });
  t.match(denied(await look(contextOf(throughLink, running), socketAccess)), { facts: { at: own } }, 'by a link, too');

  const other = serviceTarget({ upstreams: [`unix:${own}/php8.1-fpm.sock`], protocol: undefined });
  const beside = await look(contextOf(other, running), listenSocket, socketAccess);
  t.match(
    beside.find(({ kind }) => kind === 'socket_beside'),
    { facts: { sockets: [path] } },
  );
  t.match(named(other, beside), { cause: 'config.socket_mismatch', confidence: 'likely', text: new RegExp(`it listens on unix:${path}`) });
});

t.test('TLS on one side only, and a certificate that is no good, are told from a handshake', async (t) => {
  const authority = makeAuthority(tempFolder(t));
  const context = createSecureContext({ ca: readFileSync(authority.caFile) });
  const tls = (verify = true, serverName?: string) => ({ serverName, verify, context });
  const secure = async (identity: { readonly key: string; readonly cert: string }) =>
    listening(
      t,
      createSecureServer(identity, (_request, response) => void response.end('well')),
      0,
    );
  const plain = await listening(
    t,
    createPlainServer((_request, response) => void response.end('well')),
    0,
  );
  const good = await secure(authority.issue('good', 'IP:127.0.0.1'));
  const expired = await secure(authority.issue('old', 'IP:127.0.0.1', -1));
  const strange = await secure(authority.selfSigned('self', 'IP:127.0.0.1'));
  const judged = async (port: number, how?: ReturnType<typeof tls>) => {
    const upstream = `127.0.0.1:${port}`;
    const target = serviceTarget({ upstreams: [upstream], protocol: 'http', ...(how && { tls: new Map([[upstream, how]]) }) });
    const seen = await look(contextOf(target, running), httpAnswer, certificate);
    return named(target, seen);
  };
  t.match(await judged(plain), { cause: 'unknown' });
  t.match(await judged(good, tls()), { cause: 'unknown' });
  t.match(await judged(expired, tls(false)), { cause: 'unknown' }, 'nobody checks it');
  t.match(await judged(good), { cause: 'config.tls', confidence: 'certain', text: /speaks TLS, but its gateway speaks plain HTTP/ });
  t.match(await judged(plain, tls()), { cause: 'config.tls', confidence: 'certain', text: /speaks no TLS, but its gateway does/ });
  t.match(await judged(expired, tls()), { cause: 'config.tls', confidence: 'certain', text: /expired on .*Renew the certificate/ });
  t.match(await judged(strange, tls()), { cause: 'config.tls', confidence: 'certain', text: /not signed by an authority/ });
  t.match(await judged(good, tls(true, 'shop.example')), { cause: 'config.tls', confidence: 'certain', text: /not for the name shop\.example/ });
});
