/** Both sides do not speak the same: TLS or none, HTTP or FastCGI; or a certificate is no longer good. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pidfileService } from '../../e2e/site.ts';
import { makeAuthority } from '../../fixtures/tls/certificates.ts';
import { answersHello } from '../../support/php-scripts.ts';
import { startPhpFpm } from '../../support/php-fpm.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { changingGateway } from '../stacks/changing-gateway.ts';
import { nodeApplication, nodeStack } from '../stacks/node.ts';

export const protocols: Scenes = {
  'tls-to-plain': (t) => secured(t, 'plain'),
  'certificate-expired': (t) => secured(t, 'expired'),
  async 'http-to-fastcgi'(t) {
    const fpm = await startPhpFpm(t, { listen: 'tcp', scripts: { 'hello.php': answersHello } });
    const { at, speak } = await changingGateway(t, { policy: 'php-fpm.yaml', name: 'php-fpm', service: pidfileService(fpm), address: fpm.address, docroot: fpm.docroot }, 'fastcgi');
    return { at, inject: () => speak('http'), takeAway: () => speak('fastcgi') };
  },
  async 'fastcgi-to-http'(t) {
    const { service, port, folder } = await nodeApplication(t);
    const { at, speak } = await changingGateway(t, { policy: 'http-app.yaml', name: 'http-app', service, address: `127.0.0.1:${port}`, docroot: folder }, 'http');
    return { at, inject: () => speak('fastcgi'), takeAway: () => speak('http') };
  },
};

/** No connection is kept: one that is kept has its handshake behind it. */
async function secured(t: TestScope, manner: string): Promise<Scene> {
  const authority = makeAuthority(tempFolder(t, 'gg-tls'));
  const prepare = (folder: string): void => {
    for (const [name, days] of [
      ['good', 30],
      ['expired', -1],
    ] as const) {
      const { key, cert } = authority.issue(name, 'IP:127.0.0.1', days);
      writeFileSync(join(folder, `${name}.key`), key);
      writeFileSync(join(folder, `${name}.crt`), cert);
    }
  };
  const { at, behave } = await nodeStack(t, { program: 'tls-app.ts', prepare, gateway: { tls: { ca: authority.caFile }, keepalive: 'none' } });
  return { at, inject: () => behave(manner), takeAway: () => behave('well') };
}
