import { startNginx } from '../../../test/support/nginx.ts';
import { missing, programPath } from '../../../test/support/skip.ts';
import { firstLine, hostPort, type Proxy } from './proxy.ts';

/** `proxy_pass` and `fastcgi_pass` with the timeouts of the tables, else as it comes. */
export const nginx: Proxy = {
  name: 'nginx',
  version: async () => (missing('nginx') === false ? firstLine([programPath('nginx'), '-v'], /nginx\/(\S+)/) : undefined),
  start: async (scope, { protocol, backend, patient, keep }) => {
    const upstream = hostPort(backend);
    const timeouts = (module: string): string => `${module}_connect_timeout 1s; ${module}_read_timeout ${patient === true ? 10 : 1}s;`;
    const kept = keep === true ? 'proxy_http_version 1.1; proxy_set_header Connection "";' : '';
    const http = `upstream backend { server ${upstream}; ${keep === true ? 'keepalive 8;' : ''} }`;
    const fastcgi = `include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME /srv$fastcgi_script_name; fastcgi_pass ${upstream}; ${timeouts('fastcgi')}`;
    const proxy = `proxy_pass http://${keep === true ? 'backend' : upstream}; ${timeouts('proxy')} ${kept}`;
    const { port } = await startNginx(scope, { http: keep === true ? http : '', server: `location / { ${protocol === 'http' ? proxy : fastcgi} }` });
    // its master starts a worker again by itself
    return { front: { kind: 'tcp', host: '127.0.0.1', port }, revive: () => Promise.resolve() };
  },
};
