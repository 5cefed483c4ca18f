/** A message that the receiver's schema refuses ends the link. So what a proxy makes of the worst requests and failures is checked against it. */
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { createServer, type TlsOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { factSchema, type Fact } from '../../src/channel/messages.ts';
import { failureKinds, type UpstreamFailure } from '../../src/core/failure.ts';
import { AccessPattern } from '../../src/proxy/access-pattern.ts';
import type { GatewayRequest } from '../../src/proxy/gateway-request.ts';
import { PassiveHealth } from '../../src/proxy/passive-health.ts';
import { Quarantine } from '../../src/proxy/quarantine.ts';
import { backendTls } from '../../src/upstream/backend-tls.ts';
import { connectFailure } from '../../src/upstream/classify-failure.ts';
import { httpProbe } from '../../src/upstream/probe.ts';
import { makeAuthority } from '../fixtures/tls/certificates.ts';
import { FakeClock } from '../healer/fake-clock.ts';
import { tempFolder } from '../support/temp-folder.ts';

function listen() {
  const told: Fact[] = [];
  const clock = new FakeClock();
  return { told, health: new PassiveHealth('shop', clock, (fact) => told.push(fact)), quarantine: new Quarantine('shop', clock, (fact) => told.push(fact)) };
}

function allTaken(t: Test, told: readonly Fact[]): void {
  for (const fact of told) t.match(factSchema.safeParse(JSON.parse(JSON.stringify(fact))), { success: true }, fact.type);
}

const shopTarget = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const;

t.test('a TLS handshake that fails in any way is a fact that the healer takes', async (t) => {
  const authority = makeAuthority(tempFolder(t));
  const identity = authority.issue('shop', 'IP:127.0.0.1');
  const ways: readonly (readonly [what: string, options: TlsOptions])[] = [
    ['nobody knows its issuer', {}],
    ['no cipher in common', { ciphers: 'TLS_AES_128_CCM_SHA256', minVersion: 'TLSv1.3' }],
    ['no version in common', { ciphers: 'DEFAULT:@SECLEVEL=0', minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }],
    ['no protocol in common', { ALPNProtocols: ['h2'] }],
  ];
  const { told, health } = listen();
  for (const [what, options] of ways) {
    const server = createServer({ ...identity, ...options }).listen(0, '127.0.0.1');
    server.on('tlsClientError', () => undefined); // it is the client that is asked
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const result = await httpProbe({ kind: 'tcp', host: '127.0.0.1', port }, { path: '/', host: 'shop', timeoutMs: 5000, tls: backendTls({ verify: true }) });
    server.close();
    if (result.kind !== 'failure') throw new Error(`expected a failure where ${what}`);
    health.cut(result.failure, 0, 'r1');
  }
  t.equal(told.length, ways.length);
  allTaken(t, told);
});

t.test('so is every failure, whatever the system or the backend calls it', async (t) => {
  const { told, health } = listen();
  const worst: UpstreamFailure = { ...connectFailure(Object.assign(new Error('x'), { code: undefined }), shopTarget), detail: `\u0000\n\u2028😀${'ä'.repeat(500)}` };
  for (const kind of failureKinds.slice(0, 15)) health.cut({ ...worst, kind }, 1000, `r${'\n'.repeat(100)}`);
  health.cut(connectFailure('timeout', shopTarget), 0, '');
  health.summarise({ inFlight: 1, held: 0, state: { kind: 'holding' } });
  t.equal(told.length, 17);
  allTaken(t, told);
  t.notMatch(told[0], { errno: String }, 'what is no name of an error is left out');
  health.cut(connectFailure(Object.assign(new Error('x'), { code: 'EAGAIN' }), shopTarget), 0, 'r1');
  t.match(told.at(-1), { errno: 'EAGAIN' }, 'and one that is, is told');
});

t.test('so is every request that may have ended its worker', async (t) => {
  const { told, quarantine } = listen();
  const cut: UpstreamFailure = { kind: 'connection_terminated', source: 'upstream', phase: 'await_head', bytesWritten: 1, bytesRead: 0, resend: 'never', detail: 'x' };
  const body = { length: 0, open: () => Readable.from([]) };
  const wire = { protocol: 'http', rawHeaders: [], upgrade: false } as const;
  const nobody = { id: 'r1', wire, body, interim: {}, clientAddress: '', clientGone: new AbortController().signal, header: () => undefined };
  const targets = ['/', '*', '', '?', '#', 'http://a/b?c', `/${'é'.repeat(300)}`, '/\u0000\r\n\t', '/\u{1f600}', `/${'a'.repeat(60_000)}`];
  for (const method of ['GET', 'M-SEARCH', `${'X'.repeat(5000)}`, 'é\n'])
    for (const target of targets) {
      const request: GatewayRequest = { ...nobody, method, target };
      quarantine.attemptFailed(request, cut, 0);
    }
  t.equal(told.length, 40);
  allTaken(t, told);
});

t.test('so is who asks for what, whatever they ask for and wherever they come from', async (t) => {
  const { told, health } = listen();
  const clock = new FakeClock();
  const pattern = new AccessPattern(clock);
  const gate = { inFlight: 5, held: 1, state: { kind: 'open' } } as const;
  const targets = ['*', '', '?', 'http://a/b?c', `/${'é'.repeat(300)}`, '/\u0000\r\n\t', `/${'a'.repeat(60_000)}`, '/a b'];
  const summed = (): ReturnType<AccessPattern['seen']> => (health.summarise(gate, pattern.seen()), pattern.seen());
  t.equal(summed(), undefined, 'of few requests nothing is said');
  for (const target of targets) for (let n = 0; n < 5; n++) pattern.count({ target, clientAddress: `"; rm\n${'x'.repeat(100)}` }, 'page');
  t.same(summed(), { requests: 40, withinMs: 0, crawlers: 0, logins: 0, path: { name: `/${'a'.repeat(119)}`, count: 5 } });
  for (let n = 0; n < 400; n++) pattern.count({ target: '/wp-login.php?key=secret', clientAddress: n % 4 === 0 ? `198.51.100.${n % 250}` : '203.0.113.7' }, n % 2 === 0 ? 'login' : 'xmlrpc');
  const flood = summed();
  t.match(flood, { requests: 440, logins: 400, path: { name: '/wp-login.php' }, address: { name: '203.0.113.7' } });
  t.ok(Number(flood?.address?.count) <= 300 && Number(flood?.address?.count) > 270, 'counted at most as often as it asked, and not much less');
  clock.pass(20_000);
  pattern.count({ target: '/', clientAddress: '2001:db8::1' }, 'crawler');
  t.match(summed(), { requests: 441, withinMs: 20_000, crawlers: 1 });
  clock.pass(40_000);
  t.equal(summed(), undefined, 'it is forgotten');
  allTaken(t, told);
});
