import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder, type TestScope } from '../../../test/support/temp-folder.ts';
import { firstLine, hostPort, runProxyProgram, type Proxy, type ProxySetup, type RunningProxy } from './proxy.ts';

const program = '/usr/sbin/haproxy';
const version = async (): Promise<string | undefined> => (existsSync(program) ? firstLine([program, '-v'], /version (\S+)/i) : undefined);

/** Its defaults, with the timeouts of the tables. */
export const haproxy: Proxy = { name: 'haproxy', version, start: (scope, setup) => startHaproxy(scope, setup, '') };

/** With what it has against failing backends. */
export const haproxyRetry: Proxy = {
  name: 'haproxy (retry)',
  version,
  start: (scope, setup) => startHaproxy(scope, setup, `retry-on all-retryable-errors\n  ${setup.patient === true ? 'retries 15' : ''}`),
};

function startHaproxy(scope: TestScope, setup: ProxySetup, retry: string): Promise<RunningProxy> {
  const config = join(tempFolder(scope, 'gg-m'), 'haproxy.cfg');
  const fastcgi = setup.protocol === 'fastcgi';
  writeFileSync(
    config,
    `global
  maxconn 256
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server ${setup.patient === true ? 10 : 1}s
  ${setup.keep === true ? 'http-reuse always' : ''}
  ${retry}
frontend matrix
  bind ${hostPort(setup.front)}
  default_backend matrix
${fastcgi ? 'fcgi-app matrix\n  docroot /srv' : ''}
backend matrix
  ${fastcgi ? 'use-fcgi-app matrix' : ''}
  server only ${hostPort(setup.backend)} ${fastcgi ? 'proto fcgi' : ''}
`,
  );
  return runProxyProgram(scope, { argv: [program, '-db', '-f', config], front: setup.front });
}
