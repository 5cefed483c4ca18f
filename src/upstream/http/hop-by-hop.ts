/** Which header fields belong to one connection only (RFC 9110 section 7.6.1), in both directions. */

/** Fields that never pass a proxy. `Upgrade`, `Transfer-Encoding` and the rest of the framing are the caller's. */
export const hopByHopNames: ReadonlySet<string> = new Set(['connection', 'proxy-connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings']);

/**
 * Adds to `named` what a `Connection` value asks to remove, in lower case. Fields that carry meaning from end to end
 * are never taken: a client could otherwise strip what nginx said about it (`Connection: X-Forwarded-For`).
 */
export function addNamedByConnection(value: string, named: Set<string>): void {
  for (const token of value.split(',')) {
    const name = token.trim().toLowerCase();
    if (name !== '' && name !== 'close' && !isEndToEnd(name)) named.add(name);
  }
}

/** `rawHeaders` without the fields in `named`. */
export function withoutNamed(rawHeaders: readonly string[], named: ReadonlySet<string>): readonly string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (!named.has(rawHeaders[i]!.toLowerCase())) kept.push(rawHeaders[i]!, rawHeaders[i + 1]!);
  }
  return kept;
}

function isEndToEnd(name: string): boolean {
  return endToEndNames.has(name) || endToEndPrefixes.some((prefix) => name.startsWith(prefix));
}

const endToEndNames = new Set([
  'host',
  'cookie',
  'set-cookie',
  'authorization',
  'forwarded',
  'x-real-ip',
  'x-request-id',
  'cache-control',
  'pragma',
  'date',
  'expires',
  'age',
  'etag',
  'last-modified',
  'vary',
  'location',
  'allow',
  'server',
  'range',
  'origin',
  'referer',
  'user-agent',
  'retry-after',
  'www-authenticate',
  'idempotency-key',
  'strict-transport-security',
  'expect',
]);
const endToEndPrefixes = ['content-', 'accept', 'if-', 'x-forwarded-', 'access-control-', 'sec-', 'cross-origin-', 'x-accel-'];
