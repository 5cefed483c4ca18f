/** The whole way as an administrator has it: nginx → goodgateway → php-fpm, with the policy that ships, made to act. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { fillPolicy } from '../../src/config/fill-policy.ts';
import type { AuditRecord } from '../support/audit-records.ts';
import { startGoodgateway, type Goodgateway, type GoodgatewayOptions } from '../support/goodgateway.ts';
import { fastcgiLocation, startNginx, upstreamBlock, type Nginx } from '../support/nginx.ts';
import { preparePhpFpm, type PhpFpm, type PhpFpmOptions } from '../support/php-fpm.ts';
import type { TestScope } from '../support/temp-folder.ts';
import { answersHello, answersLate, recordsEachExecution } from '../support/php-scripts.ts';

export interface Site {
  readonly fpm: PhpFpm;
  readonly gateway: Goodgateway;
  readonly nginx: Nginx;
  /** Lines `METHOD id`, one for each execution of `/record.php`. */
  executions(): readonly string[];
  /** Records of that event, oldest first. */
  records(event: string): readonly AuditRecord[];
}

export interface SiteOptions extends Pick<GoodgatewayOptions, 'within' | 'auditFolder'> {
  readonly fpm?: PhpFpmOptions;
  /** Values for places of the ready policy, beside those that make it fast enough for a test. */
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly service?: (fpm: PhpFpm) => Readonly<Record<string, unknown>>;
  readonly gateway?: Readonly<Record<string, unknown>>;
  /** Measure what is installed, not the source. */
  readonly built?: boolean;
  /** Other keys of goodgateway.yaml. */
  readonly host?: Readonly<Record<string, unknown>>;
  /** As the README's snippet says: nginx goes to php-fpm itself while the gateway is away. Default true. */
  readonly failOpen?: boolean;
  readonly workMs?: number;
}

/** A policy that ships, for another service and with a test's patience. */
export function readyPolicy(file: string, values: Readonly<Record<string, unknown>>): string {
  const text = readFileSync(join(import.meta.dirname, '../../policies', file), 'utf8');
  return fillPolicy(
    text,
    Object.entries(values).map(([path, value]) => ({ path: path.split('.'), value })),
  );
}

/** php-fpm as a process with a pidfile, the way a host without systemd has it. */
export function pidfileService(fpm: PhpFpm): Readonly<Record<string, unknown>> {
  return { type: 'process', pidfile: fpm.pidfile, start: fpm.startArgv, stop: { signal: 'QUIT', timeout: '2s' }, config_test: fpm.configTestArgv, log: fpm.log };
}

/** Everything started, in the order in which it must end. The line is long, and so is the patience in it: how fast this machine repairs is not the question. */
export async function startSite(t: TestScope, options: SiteOptions = {}): Promise<Site> {
  const fpm = await preparePhpFpm(t, { ...options.fpm, scripts: { 'hello.php': answersHello, 'late.php': answersLate, ...options.fpm?.scripts } });
  const file = join(fpm.data, 'executions');
  writeFileSync(join(fpm.docroot, 'record.php'), recordsEachExecution(file, options.workMs ?? 5));
  await fpm.start();
  const service = (options.service ?? pidfileService)(fpm);
  const policy = readyPolicy('php-fpm.yaml', {
    mode: 'act',
    service,
    hung_after: '2s',
    'limits.cooldown': '0s',
    'verify.within': '10s',
    'verify.stable_for': '1s',
    'verify.checks': [{ service: 'running' }, { connect: 'ok' }],
    ...options.policy,
  });
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({
      shop: {
        listen: `unix:${folder}/shop.sock`,
        socket: { group: 'www-data' },
        protocol: 'fastcgi',
        upstream: fpm.address,
        service: 'php-fpm',
        hold: { for: '60s', fetch_for: '60s', requests: 2000 },
        ...options.gateway,
      },
    }),
    policies: [policy],
    ...(options.host && { host: options.host }),
    ...(options.built && { built: true }),
    ...(options.within && { within: options.within }),
    ...(options.auditFolder !== undefined && { auditFolder: options.auditFolder }),
  });
  const servers = [{ address: `unix:${gateway.folder}/shop.sock` }, ...(options.failOpen === false ? [] : [{ address: fpm.address, backup: true }])];
  const nginx = await startNginx(t, { http: upstreamBlock('php', servers), server: fastcgiLocation('php', fpm.docroot) });
  const lines = (): readonly string[] =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
      : [];
  return { fpm, gateway, nginx, executions: lines, records: (event) => gateway.audit().filter((record) => record.event === event) };
}

/** One request as a program sends it (fetch would call itself one of a page, which waits less), with its time. */
export async function ask(url: string, options: { readonly method?: 'GET' | 'POST'; readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {}): Promise<Asked> {
  const began = performance.now();
  const { statusCode, headers, body } = await request(url, { ...options, reset: true, headersTimeout: 60_000 });
  return { status: statusCode, text: await body.text(), headers, tookMs: performance.now() - began };
}

export interface Asked {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly tookMs: number;
}
