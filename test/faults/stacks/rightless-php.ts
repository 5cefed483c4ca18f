/** nginx → goodgateway → php-fpm, with a proxy that is no root: of root's connects file modes decide nothing. */
import { join } from 'node:path';
import { pidfileService } from '../../e2e/site.ts';
import { startGoodgateway } from '../../support/goodgateway.ts';
import { fastcgiLocation, startNginx, upstreamBlock } from '../../support/nginx.ts';
import { answersHello } from '../../support/php-scripts.ts';
import { startPhpFpm, type PhpFpm } from '../../support/php-fpm.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Watched } from '../fault.ts';
import { labPolicy, labSafety } from './ready.ts';

export interface RightlessStack {
  readonly at: Watched;
  readonly fpm: PhpFpm;
  /** php-fpm's socket. */
  readonly socket: string;
}

/** No connection is kept: one that is kept needs no right any more. */
export async function rightlessStack(t: TestScope): Promise<RightlessStack> {
  const fpm = await startPhpFpm(t, { scripts: { 'hello.php': answersHello } });
  const place = (folder: string): string => `unix:${folder}/runtime/shop.sock`;
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({
      shop: { listen: place(folder), socket: { group: 'www-data' }, protocol: 'fastcgi', upstream: fpm.address, service: 'php-fpm', keepalive: 'none', hold: { requests: 2000 } },
    }),
    policies: [labPolicy('php-fpm.yaml', { service: pidfileService(fpm), 'verify.checks': [{ service: 'running' }, { connect: 'ok' }] })],
    host: { proxy: { user: 'www-data' }, safety: labSafety },
  });
  const nginx = await startNginx(t, { http: upstreamBlock('php', [{ address: place(gateway.folder) }]), server: fastcgiLocation('php', fpm.docroot) });
  return { fpm, socket: join(fpm.folder, 'php.sock'), at: { port: nginx.port, service: 'php-fpm', records: () => gateway.audit(), log: () => gateway.log() } };
}
