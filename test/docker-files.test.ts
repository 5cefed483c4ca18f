/** The files in docker/: no Engine can run where these tests do, so each is held to what can be tried without one. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { runCommand } from '../src/healer/run-command.ts';
import { containerLogsTail } from '../src/healer/service-parts/container-logs.ts';
import { docker as dockerService } from '../src/healer/services/docker.ts';
import { startFakeEngine } from './fixtures/services/fake-engine.ts';
import { serviceTarget } from './fixtures/services/target.ts';
import { accepts } from './support/ports.ts';
import { signal } from './support/processes.ts';
import { finish, start } from './support/program.ts';
import { missing, programPath } from './support/skip.ts';
import { tempFolder, type TestScope } from './support/temp-folder.ts';
import { until } from './support/until.ts';

const root = join(import.meta.dirname, '..');
const docker = (name: string): string => readFileSync(join(root, 'docker', name), 'utf8');
const policy = parse(docker('policies.d/php-fpm.yaml'));
const service = z.looseObject({
  volumes: z.array(z.string()).default([]),
  user: z.string().optional(),
  privileged: z.never().optional(),
  pid: z.never().optional(),
  network_mode: z.string().optional(),
  read_only: z.boolean().default(false),
  cap_drop: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
  container_name: z.string().optional(),
});
const compose = z.looseObject({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.null()) });
const { services, volumes } = compose.parse(parse(docker('compose.yaml'), { strict: true, uniqueKeys: true }));
const mounts = (name: string): readonly string[] => (services[name]?.volumes ?? []).map((volume) => volume.split(':', 1)[0] ?? '');

t.test('the compose file names five services; each volume is declared and each file is there', async (t) => {
  t.same(Object.keys(services).sort(), ['engine-filter', 'healer', 'nginx', 'php-fpm', 'proxy']);
  const sources = Object.keys(services).flatMap(mounts);
  t.same(new Set(sources.filter((source) => !/^[./]/.test(source))), new Set(Object.keys(volumes)));
  for (const path of sources.filter((source) => source.startsWith('./'))) t.ok(existsSync(join(root, 'docker', path)), path);
});

t.test('only the filter sees the Engine, only the healer sees the filter, and neither has a network', async (t) => {
  const seeing = (source: string): readonly string[] => Object.keys(services).filter((name) => mounts(name).some((mount) => mount.includes(source)));
  t.same(seeing('docker.sock'), ['engine-filter']);
  t.same([...seeing('engine')].sort(), ['engine-filter', 'healer']);
  for (const name of ['engine-filter', 'healer']) t.equal(services[name]?.network_mode, 'none', name);
  for (const name of ['engine-filter', 'healer', 'proxy']) {
    t.match(services[name], { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }, name);
  }
  t.equal(services['php-fpm']?.container_name, policy.service.container, 'the policy knows the container by its name');
  t.match(docker('Dockerfile'), /^USER www-data$/m);
  t.same(new Set(docker('Dockerfile').match(/^FROM \S+/gm)), new Set(['FROM node:24-slim']), 'one pinned major');
  t.notMatch(docker('Dockerfile'), /npm ci(?!.*--ignore-scripts)/, 'no package runs a script');
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

t.test('the filter lets the healer do its work on the named container, and nothing else through', { skip: missing('nginx') }, async (t) => {
  const engine = await startFakeEngine(t, { name: policy.service.container });
  const socket = await startFilter(t, engine.api);
  const target = serviceTarget({ ...policy.service, api: `unix:${socket}` }, { stateFolder: tempFolder(t) });
  const soon = (): AbortSignal => AbortSignal.timeout(20_000);
  t.match(await dockerService.control(target, 'start', runCommand, soon()), { result: 'done' });
  t.match(await dockerService.control(target, 'restart', runCommand, soon()), { result: 'done' });
  t.match(await dockerService.state(target, runCommand, soon()), { state: 'running' });
  engine.logs = Buffer.from('ready to handle connections\n');
  t.same(await containerLogsTail({ api: { kind: 'unix', path: socket }, container: policy.service.container }, { lines: 50, sinceMs: 0 }, soon()), { lines: ['ready to handle connections'] });
  engine.stop(0);
  t.match(await dockerService.state(target, runCommand, soon()), { state: 'stopped', text: /asked to stop it/ }, 'the events get through');

  t.match(await dockerService.control(target, 'stop', runCommand, soon()), { result: 'failed', detail: /403/ });
  const own = `/v1.41/containers/${policy.service.container}`;
  t.match(await ask(socket, 'POST', `http://other/v1.41/../x${own}/restart`), { status: 403 });
  await ask(socket, 'POST', `http://other${own}/restart`);
  t.equal(engine.asked.at(-1), `POST /containers/${policy.service.container}/restart`, 'what stands before the path is not passed on');
  const before = engine.asked.length;
  const refused: readonly (readonly [string, string])[] = [
    ['POST', `${own}/exec`],
    ['POST', `${own}/kill?signal=KILL`],
    ['POST', `${own}/update`],
    ['POST', `${own}/attach?stream=1`],
    ['GET', `${own}/archive?path=/`],
    ['GET', `${own}/top`],
    ['DELETE', own],
    ['DELETE', `${own}/json`],
    ['GET', `${own}/start`],
    ['POST', `${own}/json`],
    ['POST', '/v1.41/containers/create'],
    ['GET', '/v1.41/containers/json'],
    ['GET', '/v1.41/containers/other/json'],
    ['POST', '/v1.41/containers/other/restart'],
    ['POST', '/v1.41/containers/x-goodgateway-php-fpm/restart'],
    ['POST', '/v1.41/containers/goodgateway-php-fpm-2/restart'],
    ['POST', `${own}/restart/../../create`],
    ['POST', `${own}/../other/restart`],
    ['POST', `/v1.41/containers/other/../${policy.service.container}/restart`],
    ['POST', `${own}%2f..%2fother/restart`],
    ['POST', `${own}/%2e%2e/other/restart`],
    ['POST', `${own}/restart%3ft=1`],
    ['POST', `${own}/restart?t=1&signal=KILL`],
    ['POST', `${own}/restart?t=-1`],
    ['POST', `/v1.41//containers/${policy.service.container}/restart`],
    ['POST', `/containers/${policy.service.container}/restart`],
    ['GET', `${own}/json#/../../other/json`],
    ['GET', `${own}/logs?follow=1/../..`],
    ['GET', '/v1.41/events'],
    ['GET', '/v1.41/events?since=1&until=2&filters=%7B%7D'],
    ['GET', '/v1.41/events?since=1&until=2&filters=%7B%22type%22%3A%5B%22container%22%5D%7D'],
    ['GET', '/v1.41/images/json'],
    ['GET', '/v1.41/info'],
    ['POST', '/v1.41/build'],
    ['GET', '/'],
  ];
  for (const [method, path] of refused) t.match(await ask(socket, method, path), { status: 403 }, `${method} ${path}`);
  t.match(await ask(socket, 'POST', `${own}/restart`, 'x'.repeat(100)), { status: 413 }, 'nor a body');
  t.equal(engine.asked.length, before, 'none of it reached the Engine');
});

/** The filter as it ships, with the sockets and folders of a test. Resolves with the socket of the healer. */
async function startFilter(t: TestScope, api: string): Promise<string> {
  const folder = tempFolder(t);
  const socket = join(folder, 'docker.sock');
  mkdirSync(join(folder, 'tmp'));
  // /tmp/ first: the others are in it
  const places = { '/tmp/': `${folder}/tmp/`, 'unix:/run/engine/docker.sock': `unix:${socket}`, 'unix:/var/run/docker.sock': api, '/dev/stdout': join(folder, 'access.log') };
  const text = Object.entries(places).reduce((config, [from, to]) => config.replaceAll(from, to), docker('engine-filter.conf'));
  writeFileSync(join(folder, 'filter.conf'), text);
  const running = start([programPath('nginx'), '-p', folder, '-c', join(folder, 'filter.conf')]);
  t.teardown(async () => {
    signal(running.pid, 'SIGTERM');
    await running.ended;
  });
  await until(() => accepts({ path: socket }), { timeoutMs: 15_000, what: () => `the filter to listen: ${running.output()}` });
  return socket;
}

/** One request with its target as it is written here. */
function ask(socketPath: string, method: string, path: string, body?: string): Promise<{ readonly status: number | undefined }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, timeout: 30_000, agent: false }, (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode });
    });
    asked.once('error', reject);
    asked.end(body);
  });
}
