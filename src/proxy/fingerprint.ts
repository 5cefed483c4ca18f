import { createHash } from 'node:crypto';
import { findParam } from '../upstream/fastcgi/params.ts';
import type { GatewayRequest } from './gateway-request.ts';
import { plainPath, printable } from './plain-path.ts';

/** As many hex digits as the channel takes: 128 bits, which nobody hits by accident. */
const digits = 32;
const longestName = 200;

/**
 * The same for requests that ask the same of the same program: method, host, script, and the target with its query.
 * A path alone would be "/" for every page of a front controller. Says nothing about what was asked.
 */
export function fingerprintOf(request: GatewayRequest): string {
  const { method, target, wire } = request;
  const script = wire.protocol === 'fastcgi' ? (findParam(wire.params, 'SCRIPT_FILENAME') ?? '') : '';
  // as JSON, so that no part can pass for two
  const whole = JSON.stringify([method, request.header('host')?.toLowerCase() ?? '', script, target]);
  return createHash('sha256').update(whole).digest('hex').slice(0, digits);
}

/** `GET /path` for people: without the query, which may hold secrets; printable and bounded. */
export function nameOf({ method, target }: Pick<GatewayRequest, 'method' | 'target'>): string {
  const name = `${printable(method)} ${plainPath(target)}`;
  return name.length > longestName ? `${name.slice(0, longestName - 3)}...` : name;
}
