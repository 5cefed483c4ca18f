/** nginx → goodgateway → a backend that speaks HTTP, whatever it is. */
import { startGoodgateway, type Goodgateway } from '../../support/goodgateway.ts';
import { proxyLocation, startNginx, upstreamBlock, type Nginx } from '../../support/nginx.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Watched } from '../fault.ts';
import { labPolicy, labSafety } from './ready.ts';

export interface HttpBackend {
  /** A file of `policies/`. */
  readonly policy: string;
  /** The name of the policy in it. */
  readonly name: string;
  readonly service: Readonly<Record<string, unknown>>;
  /** Where the gateway looks for it. */
  readonly address: string;
}

/** More keys of each file, beside what the stack itself says. */
export interface HttpOptions {
  readonly gateway?: Readonly<Record<string, unknown>>;
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly host?: Readonly<Record<string, unknown>>;
  /** What goodgateway runs in: argv that ends in an `exec` of what follows. */
  readonly within?: readonly string[];
}

export interface HttpStack {
  readonly at: Watched;
  readonly gateway: Goodgateway;
  readonly nginx: Nginx;
}

/** Starts goodgateway and nginx before a backend that runs already. */
export async function httpStack(t: TestScope, { policy, name, service, address }: HttpBackend, options: HttpOptions = {}): Promise<HttpStack> {
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({
      site: { listen: `unix:${folder}/site.sock`, socket: { group: 'www-data' }, protocol: 'http', upstream: address, service: name, hold: { requests: 2000 }, ...options.gateway },
    }),
    policies: [labPolicy(policy, { service, 'verify.checks': [{ service: 'running' }, { connect: 'ok' }], ...options.policy })],
    host: { safety: labSafety, ...options.host },
    ...(options.within && { within: options.within }),
  });
  const nginx = await startNginx(t, { http: upstreamBlock('site', [{ address: `unix:${gateway.folder}/site.sock` }]), server: proxyLocation('site') });
  return { gateway, nginx, at: { port: nginx.port, service: name, records: () => gateway.audit(), log: () => gateway.log() } };
}
