/** One proxy in front of one scripted HTTP backend, and the way in which every table looks at both. */
import { join } from 'node:path';
import type { Address } from '../../src/core/failure.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder, type TestScope } from '../../test/support/temp-folder.ts';
import type { Observation } from './cell.ts';
import type { ProxySetup, RunningProxy } from './proxies/proxy.ts';
import type { Reply } from './raw-client.ts';
import { headerOf } from './read-answer.ts';
import { ScriptedHttp, type SeenRequest } from './scripted-http.ts';
import type { Course } from './section.ts';

export interface Stage {
  readonly backend: ScriptedHttp;
  readonly proxy: RunningProxy;
}

/** Starts both; they end with the scope. */
export async function startStage({ scope, proxy, unix }: Course, setup: Omit<ProxySetup, 'backend' | 'front' | 'protocol'> = {}): Promise<Stage> {
  const backend = new ScriptedHttp(await newAddress(scope, unix));
  await backend.listen();
  scope.teardown(() => backend.close());
  return { backend, proxy: await proxy.start(scope, { ...setup, protocol: 'http', backend: backend.address, front: await newAddress(scope, unix) }) };
}

/** A free loopback port, or a path in a folder of its own. */
export async function newAddress(scope: TestScope, unix: boolean): Promise<Address> {
  return unix ? { kind: 'unix', path: join(tempFolder(scope, 'gg-m'), 's') } : { kind: 'tcp', host: '127.0.0.1', port: await freePort() };
}

/** A plain request that wants no second one on its connection. */
export function request(method: 'GET' | 'POST', target: string, options: { readonly body?: string; readonly headers?: string } = {}): string {
  const { body, headers = '' } = options;
  const length = body === undefined ? '' : `Content-Length: ${body.length}\r\nContent-Type: text/plain\r\n`;
  return `${method} ${target} HTTP/1.1\r\nHost: shop.example\r\nAccept: text/html\r\nConnection: close\r\n${length}${headers}\r\n${body ?? ''}`;
}

/** Both sides of one request as one observation. */
export function observe(reply: Reply, seen: readonly SeenRequest[], notes: readonly string[] = []): Observation {
  const error = /;\s*error=([a-z_]+)/.exec(headerOf(reply.head, 'proxy-status') ?? '')?.[1];
  const { status, interim, cut, seconds } = reply;
  return { status, interim, cut, error, hits: seen.length, notes, seconds };
}
