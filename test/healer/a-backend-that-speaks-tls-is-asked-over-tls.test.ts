/** A gateway with `tls:` leads to a backend that answers nothing sensible to plain HTTP: the healer asks as the gateway does. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { gatewaySchema } from '../../src/config/host-schema.ts';
import { actionOptions } from '../../src/healer/action-options.ts';
import { loadPolicyFile } from '../../src/config/load-policies.ts';
import { systemClock } from '../../src/core/time.ts';
import { createChecks } from '../../src/healer/checks.ts';
import { createWard } from '../../src/healer/create-ward.ts';
import { httpAnswer } from '../../src/healer/probes/http-answer.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as services from '../../src/healer/services/registry.ts';
import { readyPolicy } from '../e2e/site.ts';
import { makeAuthority, type Authority } from '../fixtures/tls/certificates.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

async function portOf(t: Test, server: ReturnType<typeof createPlainServer> | ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => [server.close(), server.closeAllConnections()]);
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

/** The healer's own eyes on an external service behind gateways with these settings. */
async function eyesOn(t: Test, gateways: Readonly<Record<string, object>>) {
  const folder = tempFolder(t);
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, readyPolicy('http-app.yaml', { service: { type: 'external' }, mode: 'observe', rules: [] }));
  const { policies } = await loadPolicyFile(file, { actionOptions });
  const loaded = policies[0]!;
  const parsed = Object.entries(gateways).map(
    ([name, more]) => [name, gatewaySchema.parse({ listen: `unix:${folder}/${name}.sock`, protocol: 'http', service: loaded.policy.name, ...more })] as const,
  );
  const serviceTypes = new Map(Object.values(services).map((type) => [type.name as string, type]));
  const ward = await createWard({ loaded, gateways: Object.fromEntries(parsed), stateFolder: folder, serviceTypes, order: () => undefined });
  const { signal } = new AbortController();
  const lookOnce = async () => (await httpAnswer.look({ target: ward.target(), run: runCommand, clock: systemClock, serviceType: ward.serviceType, lastGoodMs: 0, dependencies: [] }, signal))[0];
  const runCheck = createChecks({ target: () => ward.target(), serviceType: ward.serviceType, run: runCommand, traffic: () => [] });
  const checkOnce = (url: string) => runCheck({ http: { url, status: '200' } }, { signal, firstPassWallMs: undefined });
  // one that is late says nothing, and is made again, as the healer does
  const look = () => inTime(lookOnce);
  const check = (url: string) => inTime(() => checkOnce(url));
  return { ward, look, check };
}

function inTime<T extends { readonly text: string; readonly missing?: string | undefined }>(look: () => Promise<T | undefined>): Promise<T> {
  return until(
    async () => {
      const seen = await look();
      return seen?.missing === undefined && !/ in time| (within|for) \d+ ms/.test(seen?.text ?? '') ? seen : undefined;
    },
    { timeoutMs: 20_000, what: 'a look that was not late' },
  );
}

function secureServer(authority: Authority, san = 'IP:127.0.0.1') {
  return createServer(authority.issue('shop', san), (_request, response) => void response.end('well'));
}

t.test('a healthy TLS backend answers the probe and the check of the policy', async (t) => {
  const authority = makeAuthority(tempFolder(t));
  const port = await portOf(t, secureServer(authority));
  const { look, check } = await eyesOn(t, { shop: { upstream: `127.0.0.1:${port}`, tls: { ca: authority.caFile } } });
  t.match(await look(), { facts: { result: 'status', status: 200 } });
  t.match(await check(`http://127.0.0.1:${port}/health`), { passed: true, text: /answered 200/ });
});

t.test('its certificate is judged as the gateway judges it, and is no junk', async (t) => {
  const authority = makeAuthority(tempFolder(t));
  const port = await portOf(t, secureServer(authority, 'DNS:shop.example'));
  const upstream = `127.0.0.1:${port}`;
  const wrong = await eyesOn(t, { shop: { upstream, tls: { ca: authority.caFile } } });
  t.match(await wrong.look(), { facts: { result: 'failure', failure: 'tls_certificate_error' } });
  t.match(await wrong.check(`http://${upstream}/`), { passed: false, text: /certificate/ });
  const named = await eyesOn(t, { shop: { upstream, tls: { ca: authority.caFile, server_name: 'shop.example' } } });
  t.match(await named.look(), { facts: { result: 'status', status: 200 } });
  const trusting = await eyesOn(t, { shop: { upstream, tls: { verify: false } } });
  t.match(await trusting.look(), { facts: { result: 'status', status: 200 } });
});

t.test('each address is asked as the gateway that leads there does, also after a switch', async (t) => {
  const authority = makeAuthority(tempFolder(t));
  const secure = await portOf(t, secureServer(authority));
  const plain = await portOf(
    t,
    createPlainServer((_request, response) => void response.end('well')),
  );
  const { ward, look, check } = await eyesOn(t, { old: { upstream: `127.0.0.1:${plain}` }, shop: { upstream: `127.0.0.1:${secure}`, tls: { ca: authority.caFile } } });
  t.match(await look(), { facts: { result: 'status', status: 200 } }, 'plain');
  await ward.useUpstream(1);
  t.match(await look(), { facts: { result: 'status', status: 200 } }, 'TLS');
  t.match(await check(`http://127.0.0.1:${secure}/`), { passed: true });
  t.match(await check(`http://127.0.0.1:${plain}/`), { passed: true }, 'a check of another address than the one in use');
});
