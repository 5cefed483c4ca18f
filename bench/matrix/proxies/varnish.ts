import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from '../../../test/support/temp-folder.ts';
import { firstLine, hostPort, runProxyProgram, type Proxy } from './proxy.ts';

const program = '/usr/sbin/varnishd';

/** Every request is passed, none cached. */
export const varnish: Proxy = {
  name: 'varnish (pass)',
  version: async () => (existsSync(program) ? firstLine([program, '-V'], /varnish-(\S+)/) : undefined),
  start: (scope, { backend, front, patient }) => {
    if (backend.kind === 'unix') throw new Error('expected a TCP address');
    const folder = tempFolder(scope, 'gg-m');
    const read = patient === true ? '10s' : '1s';
    const lines = [`.host = "${backend.host}"; .port = "${backend.port}";`, `.connect_timeout = 1s; .first_byte_timeout = ${read}; .between_bytes_timeout = 1s;`];
    writeFileSync(join(folder, 'pass.vcl'), `vcl 4.1;\nbackend default { ${lines.join(' ')} }\nsub vcl_recv { return (pass); }\n`);
    const argv = [program, '-F', '-j', 'none', '-n', join(folder, 'work'), '-a', hostPort(front), '-f', join(folder, 'pass.vcl'), '-s', 'malloc,16m'];
    return runProxyProgram(scope, { argv, front });
  },
};
