/** Another nginx as the backend, as a web server of its own behind nginx and goodgateway. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accepts, freePort } from '../../support/ports.ts';
import { endAll, processes, type ProcessInfo } from '../../support/processes.ts';
import { succeed } from '../../support/program.ts';
import { programPath } from '../../support/skip.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';
import { httpStack, type HttpOptions, type HttpStack } from './http.ts';

export interface InnerNginxStack extends HttpStack {
  readonly folder: string;
  readonly port: number;
  readonly config: string;
  readonly startArgv: readonly string[];
  /** Its own configuration, with more lines for `http` and for its one server. */
  write(more?: { readonly http?: string; readonly server?: string }): void;
  /** Reads its configuration anew. */
  reload(): Promise<unknown>;
  processes(): readonly ProcessInfo[];
}

/** Answers every path with "hello", after `?ms=` at most what its location says. */
export async function innerNginxStack(t: TestScope, options: HttpOptions = {}): Promise<InnerNginxStack> {
  const folder = tempFolder(t, 'gg-inner');
  const port = await freePort();
  const [config, pidfile, log] = [join(folder, 'inner.conf'), join(folder, 'inner.pid'), join(folder, 'error.log')];
  mkdirSync(join(folder, 'temp'));
  const write: InnerNginxStack['write'] = ({ http = '', server = '' } = {}) => writeFileSync(config, configuration(folder, port, { http, server }));
  write();
  const argv = [programPath('nginx'), '-p', folder, '-c', config];
  // the workers carry no path in their title: they are known by their parent
  const seen = new Set<number>();
  const mine = (): ProcessInfo[] => {
    const masters = processes(({ command }) => command.includes(`-c ${config}`)).map(({ pid }) => pid);
    for (const { pid } of processes(({ parent }) => masters.includes(parent))) seen.add(pid);
    masters.forEach((pid) => seen.add(pid));
    return processes(({ pid, command }) => seen.has(pid) && command.startsWith('nginx:'));
  };
  t.teardown(() => endAll(mine, 'SIGTERM'));
  await succeed(argv);
  await until(() => accepts({ host: '127.0.0.1', port }), { timeoutMs: 15_000, what: 'the inner nginx to accept' });
  mine();
  const service = { type: 'process', pidfile, start: argv, stop: { signal: 'QUIT', timeout: '2s' }, config_test: [...argv, '-t'], log };
  const stack = await httpStack(t, { policy: 'http-app.yaml', name: 'http-app', service, address: `127.0.0.1:${port}` }, options);
  return { ...stack, folder, port, config, startArgv: argv, write, reload: () => succeed([...argv, '-s', 'reload']), processes: mine };
}

function configuration(folder: string, port: number, { http, server }: { readonly http: string; readonly server: string }): string {
  return `user www-data;
worker_processes 1;
pid ${folder}/inner.pid;
error_log ${folder}/error.log notice;
events { worker_connections 512; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/temp/${name};`).join('\n  ')}
  ${http}
  server {
    listen 127.0.0.1:${port};
    ${server}
    location / { default_type text/plain; return 200 hello; }
  }
}
`;
}
