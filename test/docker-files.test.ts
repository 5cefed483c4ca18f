import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { finish } from './support/program.ts';

const root = join(import.meta.dirname, '..');
const docker = (name: string): string => readFileSync(join(root, 'docker', name), 'utf8');
const service = z.looseObject({ volumes: z.array(z.string()).default([]), user: z.string().optional(), privileged: z.never().optional(), pid: z.never().optional() });
const compose = z.looseObject({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.null()) });

t.test('the compose file names four services; each volume is declared, each file is there, nobody has rights over another', async (t) => {
  const { services, volumes } = compose.parse(parse(docker('compose.yaml'), { strict: true, uniqueKeys: true }));
  t.same(Object.keys(services).sort(), ['healer', 'nginx', 'php-fpm', 'proxy']);
  const sources = Object.values(services)
    .flatMap((one) => one.volumes)
    .map((volume) => volume.split(':', 1)[0] ?? '');
  t.notOk(
    sources.some((source) => source.includes('docker.sock')),
    'no Docker socket',
  );
  t.same(new Set(sources.filter((source) => !source.startsWith('.'))), new Set(Object.keys(volumes)));
  for (const path of sources.filter((source) => source.startsWith('./') && source.includes('.yaml'))) t.ok(docker(path.slice(2)), path);
});

t.test('nginx, goodgateway and php-fpm agree on their sockets, and nginx is more patient than goodgateway', async (t) => {
  const gateway = parse(docker('goodgateway.yaml')).gateways.shop;
  const nginx = docker('nginx.conf');
  t.ok(nginx.includes(`server ${gateway.listen} max_fails=0;`));
  t.ok(nginx.includes(`server ${gateway.upstream} max_fails=0 backup;`));
  t.ok(`unix:${/^listen = (.+)$/m.exec(docker('php-fpm.conf'))?.[1]}` === gateway.upstream);
  const seconds = (text: unknown): number => Number(/(\d+)s/.exec(String(text))?.[1]);
  t.ok(seconds(/fastcgi_read_timeout (\d+s);/.exec(nginx)?.[1]) >= seconds(gateway.hold.for) + seconds(gateway.timeouts.response) + 5);
});

t.test('goodgateway finds no mistake in the configuration of the containers', async (t) => {
  const { code, output } = await finish([process.execPath, join(root, 'src/cli/main.ts'), 'check', join(root, 'docker/goodgateway.yaml')]);
  t.equal(code, 0, output);
});
