/** nginx → goodgateway → a backend, whose gateway an administrator sets up anew: goodgateway is restarted for that. */
import { join } from 'node:path';
import { auditRecords } from '../../support/audit-records.ts';
import { startGoodgateway, type Goodgateway } from '../../support/goodgateway.ts';
import { fastcgiLocation, proxyLocation, startNginx, upstreamBlock, type Nginx, type NginxOptions } from '../../support/nginx.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';
import type { Watched } from '../fault.ts';
import type { HttpBackend } from './http.ts';
import { labPolicy, labSafety } from './ready.ts';

export type Protocol = 'http' | 'fastcgi';

export interface ChangingStack {
  readonly at: Watched;
  /** What nginx and the gateway speak from now on. */
  speak(protocol: Protocol): Promise<void>;
}

/** Before a backend that runs already. `docroot`: of its scripts, for FastCGI. */
export async function changingGateway(t: TestScope, { policy, name, service, address, docroot }: HttpBackend & { readonly docroot: string }, protocol: Protocol): Promise<ChangingStack> {
  const folder = tempFolder(t, 'gg-change');
  const [socket, auditFolder] = [`unix:${join(folder, 'site.sock')}`, join(folder, 'audit')];
  const begin = (spoken: Protocol): Promise<Goodgateway> =>
    startGoodgateway(t, {
      gateways: () => ({ site: { listen: socket, socket: { group: 'www-data' }, protocol: spoken, upstream: address, service: name, hold: { requests: 2000 } } }),
      policies: [labPolicy(policy, { service, 'verify.checks': [{ service: 'running' }, { connect: 'ok' }] })],
      host: { safety: labSafety },
      auditFolder,
    });
  const front = (spoken: Protocol): NginxOptions => ({ http: upstreamBlock('site', [{ address: socket }]), server: spoken === 'http' ? proxyLocation('site') : fastcgiLocation('site', docroot) });
  let gateway = await begin(protocol);
  const nginx: Nginx = await startNginx(t, front(protocol));
  const speak = async (spoken: Protocol): Promise<void> => {
    await gateway.stop();
    gateway = await begin(spoken);
    await nginx.reload(front(spoken));
  };
  return { speak, at: { port: nginx.port, service: name, records: () => auditRecords(auditFolder), log: () => gateway.log() } };
}
