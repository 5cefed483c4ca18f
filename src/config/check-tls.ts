import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { gatewayPaths } from './written.ts';
import type { YamlDocument } from './yaml-document.ts';

/** `tls` where it cannot be spoken, without a name to compare, or with authorities that cannot be read. */
export function checkTls(host: YamlDocument): readonly ConfigProblem[] {
  return gatewayPaths(host).flatMap((gateway) => checkOne(host, gateway));
}

function checkOne(host: YamlDocument, gateway: Path): readonly ConfigProblem[] {
  const at = (...rest: string[]): unknown => valueAt(host.value, [...gateway, ...rest]);
  const problem = (path: string[], place: 'key' | 'value', message: string): ConfigProblem => host.problem([...gateway, ...path], place, message);
  if (at('tls') === undefined) return [];
  if (at('protocol') === 'fastcgi') return [problem(['tls'], 'key', 'tls: FastCGI is not spoken over TLS: expected protocol: http, or no tls')];
  const upstream = at('upstream');
  const nameless = typeof upstream === 'string' && upstream.startsWith('unix:') && at('tls', 'server_name') === undefined;
  const unreadable = unreadableAuthorities(at('tls', 'ca'));
  return [
    ...(nameless ? [problem(['tls'], 'key', 'tls: a unix socket has no host name: expected server_name, the name that the certificate must have')] : []),
    ...(unreadable === undefined ? [] : [problem(['tls', 'ca'], 'value', `ca: ${unreadable}: expected a PEM file with the authorities to trust`)]),
  ];
}

function unreadableAuthorities(file: unknown): string | undefined {
  if (typeof file !== 'string' || !file.startsWith('/')) return undefined;
  try {
    const pem = readFileSync(file, 'latin1');
    if (!pem.includes('-----BEGIN')) return `${file} holds no certificate`;
    createSecureContext({ ca: pem });
    return undefined;
  } catch (error) {
    return `${file} cannot be read (${error instanceof Error ? error.message : String(error)})`;
  }
}
