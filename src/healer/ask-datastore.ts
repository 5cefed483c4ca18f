/**
 * Does a database or a cache answer? Its own first words, without an account: a greeting, PING, version. A port that
 * takes connections proves little: a server that loads its data, or has no connection left, takes them too.
 */
import { formatAddress, type Address } from '../core/failure.ts';
import { connectTo } from '../upstream/connect.ts';
import type { CheckResult } from './verify.ts';

/** How each kind is asked (`undefined`: it speaks first), and what its first words mean. */
export type DatastoreKind = 'mysql' | 'redis' | 'memcached';

interface Manner {
  readonly ask: string | undefined;
  /** `undefined`: too little was heard to tell. */
  hear(bytes: Buffer): CheckResult | undefined;
}

const manners: Readonly<Record<DatastoreKind, Manner>> = {
  mysql: { ask: undefined, hear: hearMysql },
  redis: { ask: 'PING\r\n', hear: (bytes) => hearLine(bytes, judgeRedis) },
  memcached: { ask: 'version\r\n', hear: (bytes) => hearLine(bytes, judgeMemcached) },
};

/** A greeting has some 100 bytes, an error message some hundred more. */
const mostBytes = 4096;

/**
 * Asks once, within `timeoutMs` for the connect and again for the answer. Never rejects. A MySQL server on another host
 * is not asked: it counts a greeting without a login as a connection error, and shuts a host out after 100 of them
 * (max_connect_errors); loopback and unix sockets are not counted.
 */
export async function askDatastore(kind: DatastoreKind, address: Address, { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<CheckResult> {
  if (kind === 'mysql' && !isOnThisHost(address)) return { passed: 'skipped', text: `${formatAddress(address)} is another host, which would count a look without a login as a connection error` };
  const connected = await connectTo(address, { timeoutMs, signal });
  if (connected.kind === 'client_gone') return { passed: false, text: 'the look was called off' };
  if (connected.kind === 'failure') return { passed: false, text: connected.failure.detail };
  const { socket } = connected;
  const { ask, hear } = manners[kind];
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0);
    const end = (result: CheckResult): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', calledOff);
      socket.destroy();
      resolve(result);
    };
    const calledOff = (): void => end({ passed: false, text: 'the look was called off' });
    const timer = setTimeout(() => end({ passed: false, text: `${formatAddress(address)} took the connection and said nothing within ${timeoutMs} ms` }), timeoutMs);
    signal.addEventListener('abort', calledOff, { once: true });
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]).subarray(0, mostBytes);
      const result = hear(heard) ?? (heard.length === mostBytes ? strange(heard, kind) : undefined);
      if (result) end(result);
    });
    socket.on('close', () => end(heard.length === 0 ? { passed: false, text: `${formatAddress(address)} closed the connection without a word` } : strange(heard, kind)));
    socket.resume();
    if (ask !== undefined) socket.write(ask);
  });
}

function isOnThisHost(address: Address): boolean {
  return address.kind === 'unix' || address.host === 'localhost' || address.host === '::1' || address.host.startsWith('127.');
}

/**
 * A packet: length (3 bytes, little-endian), number, payload. The payload begins with 10 in a greeting, followed by the
 * version up to a zero byte; with 255 in an error, followed by its number and its text.
 * @see https://mariadb.com/kb/en/connection/#initial-handshake-packet
 */
function hearMysql(bytes: Buffer): CheckResult | undefined {
  if (bytes.length < 5) return undefined;
  const payload = bytes.subarray(4, 4 + bytes.readUIntLE(0, 3));
  if (payload.length < bytes.readUIntLE(0, 3) && payload.length < mostBytes - 4) return undefined;
  const [first] = payload;
  if (first === 10) return { passed: true, text: `greeted as ${printable(payload.subarray(1, Math.max(1, payload.indexOf(0, 1))))}` };
  if (first === 255 && payload.length > 3) return { passed: false, text: `answered with error ${payload.readUInt16LE(1)}: ${printable(payload.subarray(3)).replace(/^#\w{5}/, '')}` };
  return strange(bytes, 'mysql');
}

function hearLine(bytes: Buffer, judge: (line: string) => CheckResult): CheckResult | undefined {
  const end = bytes.indexOf('\n');
  return end < 0 ? undefined : judge(printable(bytes.subarray(0, end)));
}

/** That it wants a password, or speaks to its own host only, is an answer: it lives, and this look has no account. */
function judgeRedis(line: string): CheckResult {
  const answers = line === '+PONG' || line.startsWith('-NOAUTH') || line.startsWith('-DENIED') || line.startsWith('-NOPERM');
  return { passed: answers, text: `answered ${line}` };
}

function judgeMemcached(line: string): CheckResult {
  return { passed: line.startsWith('VERSION '), text: `answered ${line}` };
}

function strange(bytes: Buffer, kind: DatastoreKind): CheckResult {
  return { passed: false, text: `answered as no ${kind} server does: ${printable(bytes)}` };
}

/** As it may stand in a record: one line, nothing that moves a terminal. */
function printable(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200);
}
