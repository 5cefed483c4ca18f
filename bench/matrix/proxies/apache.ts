import { startApache } from '../../../test/support/apache.ts';
import { missing, programPath } from '../../../test/support/skip.ts';
import { firstLine, hostPort, type Proxy } from './proxy.ts';

/** mod_proxy with the timeouts of the tables; `retry=0`, or it would answer by itself for a minute after a failure. */
export const apache: Proxy = {
  name: 'apache',
  version: async () => (missing('apache2') === false ? firstLine([programPath('apache2'), '-v'], /Apache\/(\S+)/) : undefined),
  start: async (scope, { protocol, backend, patient }) => {
    const to = protocol === 'http' ? `http://${hostPort(backend)}/` : `fcgi://${hostPort(backend)}/srv/`;
    const modules = ['proxy', protocol === 'http' ? 'proxy_http' : 'proxy_fcgi'].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`);
    const { port } = await startApache(scope, { extra: [...modules, `ProxyPass / ${to} connectiontimeout=1 timeout=${patient === true ? 10 : 1} retry=0`].join('\n') });
    // its parent starts a child again by itself
    return { front: { kind: 'tcp', host: '127.0.0.1', port }, revive: () => Promise.resolve() };
  },
};
