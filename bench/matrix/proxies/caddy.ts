import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder, type TestScope } from '../../../test/support/temp-folder.ts';
import { firstLine, hostPort, runProxyProgram, type Proxy, type ProxySetup, type RunningProxy } from './proxy.ts';

const program = '/usr/bin/caddy';
const version = async (): Promise<string | undefined> => (existsSync(program) ? firstLine([program, 'version'], /v?(\d\S*)/) : undefined);

/** Its defaults, with the timeouts of the tables. */
export const caddy: Proxy = { name: 'caddy', version, start: (scope, setup) => startCaddy(scope, setup, '') };

/** With what it has against failing backends. */
export const caddyRetry: Proxy = { name: 'caddy (retry)', version, start: (scope, setup) => startCaddy(scope, setup, `lb_try_duration ${setup.patient === true ? 15 : 2}s`) };

function startCaddy(scope: TestScope, setup: ProxySetup, retry: string): Promise<RunningProxy> {
  const folder = tempFolder(scope, 'gg-m');
  const config = join(folder, 'Caddyfile');
  if (setup.front.kind === 'unix') throw new Error('expected a TCP address');
  const read = setup.patient === true ? '10s' : '1s';
  const http = `transport http {
      dial_timeout 1s
      response_header_timeout ${read}
      read_timeout ${read}
    }`;
  const fastcgi = `transport fastcgi {
      root /srv
      dial_timeout 1s
      read_timeout ${read}
    }`;
  writeFileSync(
    config,
    `{
  admin off
  auto_https off
}
http://:${setup.front.port} {
  bind ${setup.front.host}
  reverse_proxy ${hostPort(setup.backend)} {
    ${retry}
    ${setup.protocol === 'http' ? http : fastcgi}
  }
}
`,
  );
  const environment = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  return runProxyProgram(scope, { argv: [program, 'run', '--adapter', 'caddyfile', '--config', config], front: setup.front, environment });
}
