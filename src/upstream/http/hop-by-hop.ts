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
    if (name !== '' && name !== 'close' && !hopByHopNames.has(name) && !isEndToEnd(name)) named.add(name);
  }
}

/**
 * A name with `_` that a CGI-like backend (WSGI, Rack, PHP) reads as a field that frames, routes or says who the client
 * is: `X_Forwarded_For` would overrule what nginx wrote. In lower case.
 */
export function isForgery(name: string): boolean {
  const meant = name.replaceAll('_', '-');
  return meant === 'content-length' || meant === 'transfer-encoding' || meant === 'host' || meant === 'forwarded' || meant === 'x-real-ip' || meant.startsWith('x-forwarded-');
}

/**
 * The trailer fields that may pass: none that frames, routes, authenticates, or changes how the head was to be read,
 * since whoever merges trailers into the head would read two different messages (RFC 9110 section 6.5.1).
 */
export function safeTrailers(rawTrailers: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawTrailers.length; i += 2) {
    const key = rawTrailers[i]!.toLowerCase();
    if (!hopByHopNames.has(key) && !headOnlyNames.has(key) && !headOnlyPrefixes.some((prefix) => key.startsWith(prefix)) && !isForgery(key)) kept.push(rawTrailers[i]!, rawTrailers[i + 1]!);
  }
  return kept;
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

/** What controls how a message is framed, routed, authenticated, cached or processed has its place in the head alone. */
const headOnlyNames = new Set(
  [
    ['content-length', 'content-encoding', 'content-type', 'content-range', 'host', 'forwarded', 'x-real-ip', 'max-forwards', 'expect', 'range', 'via'],
    ['authorization', 'www-authenticate', 'cookie', 'set-cookie', 'cache-control', 'pragma', 'age', 'date', 'expires', 'vary', 'warning', 'location', 'retry-after'],
  ].flat(),
);
const headOnlyPrefixes = ['if-', 'proxy-', 'x-forwarded-', 'x-accel-', 'access-control-'];

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
