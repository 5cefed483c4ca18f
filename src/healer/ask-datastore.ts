/**
 * Does a database or a cache answer? Its own first words, without an account: a greeting, PING, version. A port that
 * takes connections proves little: a server that loads its data, or has no connection left, takes them too.
 */
import { formatAddress, type Address } from '../core/failure.ts';
import { connectTo } from '../upstream/connect.ts';
import type { CheckResult } from './verify.ts';

/** How each kind is asked (`undefined`: it speaks first), and what its first words mean. */
export type DatastoreKind = 'mysql' | 'redis' | 'memcached' | 'postgres' | 'rabbitmq';

/**
 * What one look heard. `meaning`: why it is no good answer. `starting`: it loads or mends its data; `full`: no connection
 * is left; `host_blocked`: it shut this host out; `cannot_save`: it takes no writes; `unreachable`: no connection;
 * `silent`: a connection and no word; `strange`: no such server speaks so.
 */
export interface DatastoreAnswer extends CheckResult {
  readonly meaning?: 'starting' | 'full' | 'host_blocked' | 'cannot_save' | 'unreachable' | 'silent' | 'strange';
}

interface Manner {
  readonly ask: string | Buffer | undefined;
  /** `undefined`: too little was heard to tell. */
  hear(bytes: Buffer): DatastoreAnswer | undefined;
}

const manners: Readonly<Record<DatastoreKind, Manner>> = {
  mysql: { ask: undefined, hear: hearMysql },
  redis: { ask: 'PING\r\n', hear: (bytes) => hearLine(bytes, judgeRedis) },
  memcached: { ask: 'version\r\n', hear: (bytes) => hearLine(bytes, judgeMemcached) },
  postgres: { ask: postgresStartup(), hear: hearPostgres },
  rabbitmq: { ask: Buffer.from('AMQP\0\0\t\x01', 'latin1'), hear: hearRabbitmq },
};

/** A greeting has some 100 bytes, an error message some hundred more. */
const mostBytes = 4096;

/**
 * Asks once, within `timeoutMs` for the connect and again for the answer. Never rejects. A MySQL server on another host
 * is not asked: it counts a greeting without a login as a connection error, and shuts a host out after 100 of them
 * (max_connect_errors); loopback and unix sockets are not counted.
 */
export async function askDatastore(kind: DatastoreKind, address: Address, { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<DatastoreAnswer> {
  if (kind === 'mysql' && !isOnThisHost(address)) return { passed: 'skipped', text: `${formatAddress(address)} is another host, which would count a look without a login as a connection error` };
  const connected = await connectTo(address, { timeoutMs, signal });
  if (connected.kind === 'client_gone') return { passed: false, text: 'the look was called off' };
  if (connected.kind === 'failure') return { passed: false, text: connected.failure.detail, meaning: 'unreachable' };
  const { socket } = connected;
  const { ask, hear } = manners[kind];
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0);
    const end = (result: DatastoreAnswer): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', calledOff);
      socket.destroy();
      resolve(result);
    };
    const calledOff = (): void => end({ passed: false, text: 'the look was called off' });
    const timer = setTimeout(() => end({ passed: false, text: `${formatAddress(address)} took the connection and said nothing within ${timeoutMs} ms`, meaning: 'silent' }), timeoutMs);
    signal.addEventListener('abort', calledOff, { once: true });
    socket.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]).subarray(0, mostBytes);
      const result = hear(heard) ?? (heard.length === mostBytes ? strange(heard, kind) : undefined);
      if (result) end(result);
    });
    socket.on('close', () => end(heard.length === 0 ? { passed: false, text: `${formatAddress(address)} closed the connection without a word`, meaning: 'silent' } : strange(heard, kind)));
    socket.resume();
    if (ask !== undefined) socket.write(ask);
  });
}

const usualPorts: Readonly<Record<number, DatastoreKind>> = { 3306: 'mysql', 6379: 'redis', 11_211: 'memcached', 5432: 'postgres', 5672: 'rabbitmq' };

/** What is spoken at an address where such a server listens by default; `undefined` where nobody can tell. */
export function usualSpeech(address: Address): DatastoreKind | undefined {
  if (address.kind === 'tcp') return usualPorts[address.port];
  return /\/mysqld?\.sock$/.test(address.path) ? 'mysql' : /\/\.s\.PGSQL\.\d+$/.test(address.path) ? 'postgres' : undefined;
}

/** A server on another host counts what we do there. */
export function isOnThisHost(address: Address): boolean {
  return address.kind === 'unix' || address.host === 'localhost' || address.host === '::1' || address.host.startsWith('127.');
}

/**
 * A packet: length (3 bytes, little-endian), number, payload. The payload begins with 10 in a greeting, followed by the
 * version up to a zero byte; with 255 in an error, followed by its number and its text.
 * @see https://mariadb.com/kb/en/connection/#initial-handshake-packet
 */
function hearMysql(bytes: Buffer): DatastoreAnswer | undefined {
  if (bytes.length < 5) return undefined;
  const payload = bytes.subarray(4, 4 + bytes.readUIntLE(0, 3));
  if (payload.length < bytes.readUIntLE(0, 3) && payload.length < mostBytes - 4) return undefined;
  const [first] = payload;
  if (first === 10) return { passed: true, text: `greeted as ${printable(payload.subarray(1, Math.max(1, payload.indexOf(0, 1))))}` };
  if (first === 255 && payload.length > 3) {
    const number = payload.readUInt16LE(1);
    return { passed: false, text: `answered with error ${number}: ${printable(payload.subarray(3)).replace(/^#\w{5}/, '')}`, ...meaningOf(mysqlErrors[number]) };
  }
  return strange(bytes, 'mysql');
}

/** @see https://mariadb.com/kb/en/mariadb-error-codes/ */
const mysqlErrors: Readonly<Record<number, DatastoreAnswer['meaning']>> = { 1040: 'full', 1203: 'full', 1129: 'host_blocked' };

function meaningOf(meaning: DatastoreAnswer['meaning']): Pick<DatastoreAnswer, 'meaning'> {
  return meaning ? { meaning } : {};
}

/** What pg_isready sends: protocol 3.0 and a name. It is not logged in with: the first word of the answer is enough. */
function postgresStartup(): Buffer {
  const body = Buffer.from('\0\x03\0\0user\0goodgateway\0database\0postgres\0\0', 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([length, body]);
}

/** @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const postgresErrors: Readonly<Record<string, DatastoreAnswer['meaning']>> = { '57P03': 'starting', '53300': 'full' };

/**
 * `R`: it asks who we are, or knows enough. `E`: an error; its fields begin with a letter each, `C` the SQLSTATE, `M` the
 * text. That an account or a database is unknown is an answer, too.
 */
function hearPostgres(bytes: Buffer): DatastoreAnswer | undefined {
  if (bytes.length < 5) return undefined;
  const [first] = bytes.toString('latin1', 0, 1);
  if (first === 'R') return { passed: true, text: 'began a login' };
  if (first !== 'E') return strange(bytes, 'postgres');
  const length = 1 + bytes.readUInt32BE(1);
  if (bytes.length < length && bytes.length < mostBytes) return undefined;
  const fields = bytes.subarray(5, length).toString('latin1').split('\0');
  const [code, message] = ['C', 'M'].map((letter) => fields.find((field) => field.startsWith(letter))?.slice(1) ?? '');
  // One code for coming and going.
  const meaning = message!.includes('shutting down') ? 'unreachable' : postgresErrors[code!];
  return { passed: meaning === undefined, text: `answered with ${code}: ${printable(Buffer.from(message!, 'latin1'))}`, ...meaningOf(meaning) };
}

/** A frame of type 1 (method) on channel 0: Connection.Start. A server of another version answers with its own header. */
function hearRabbitmq(bytes: Buffer): DatastoreAnswer | undefined {
  if (bytes.length < 4) return undefined;
  if (bytes[0] === 1 && bytes[1] === 0 && bytes[2] === 0) return { passed: true, text: 'greeted' };
  return bytes.toString('latin1', 0, 4) === 'AMQP' ? { passed: true, text: 'greeted with another version' } : strange(bytes, 'rabbitmq');
}

function hearLine(bytes: Buffer, judge: (line: string) => DatastoreAnswer): DatastoreAnswer | undefined {
  const end = bytes.indexOf('\n');
  return end < 0 ? undefined : judge(printable(bytes.subarray(0, end)));
}

/** That it wants a password, or speaks to its own host only, is an answer: it lives, and this look has no account. */
function judgeRedis(line: string): DatastoreAnswer {
  const answers = line === '+PONG' || line.startsWith('-NOAUTH') || line.startsWith('-DENIED') || line.startsWith('-NOPERM');
  const meaning = redisErrors.find(([start]) => line.startsWith(start))?.[1];
  return { passed: answers, text: `answered ${line}`, ...meaningOf(meaning) };
}

const redisErrors: readonly (readonly [string, DatastoreAnswer['meaning']])[] = [
  ['-LOADING', 'starting'],
  ['-ERR max number of clients', 'full'],
  ['-MISCONF', 'cannot_save'],
];

function judgeMemcached(line: string): DatastoreAnswer {
  return { passed: line.startsWith('VERSION '), text: `answered ${line}` };
}

function strange(bytes: Buffer, kind: DatastoreKind): DatastoreAnswer {
  return { passed: false, text: `answered as no ${kind} server does: ${printable(bytes)}`, meaning: 'strange' };
}

/** As it may stand in a record: one line, nothing that moves a terminal. */
function printable(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200);
}
