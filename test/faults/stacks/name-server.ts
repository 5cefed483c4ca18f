/**
 * A name server that knows one name, and that can be told to be silent, ignorant, wrong or slow. Who is to ask it gets a
 * resolv.conf of its own, in a mount namespace: nobody else on the host sees anything of it.
 */
import { createSocket, type Socket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';

/** `wrong`: an address where nobody listens. `slow`: right, after three seconds. */
export type NameServerManner = 'right' | 'silent' | 'ignorant' | 'wrong' | 'slow';

export interface NameServer {
  /** The name that it knows, by which 127.0.0.1 is meant. */
  readonly name: string;
  /** Argv in front of a program that asks it, and nobody else. */
  readonly within: readonly string[];
  behave(manner: NameServerManner): void;
}

const slowMs = 3000;
/** The place of the old server, as the wrong answer has it. */
const oldAddress = [127, 0, 0, 9];
const rightAddress = [127, 0, 0, 1];
/** So that several can be there at once: each on a loopback address of its own. */
let started = 0;

export async function startNameServer(t: TestScope): Promise<NameServer> {
  const [address, name] = [`127.53.0.${++started}`, `backend-${started}.shop.example`];
  const file = join(tempFolder(t, 'gg-dns'), 'resolv.conf');
  writeFileSync(file, `nameserver ${address}\n`, { mode: 0o644 });
  const server = createSocket('udp4');
  const waiting = new Set<NodeJS.Timeout>();
  let manner: NameServerManner = 'right';
  server.on('message', (query, from) => {
    if (manner === 'silent') return;
    const answer = answerTo(query, name, manner);
    const send = (): void => server.send(answer, from.port, from.address);
    if (manner !== 'slow') return send();
    const timer = setTimeout(send, slowMs);
    waiting.add(timer);
  });
  await listen(server, address);
  t.teardown(() => {
    waiting.forEach((timer) => clearTimeout(timer));
    server.close();
  });
  const within = ['/usr/bin/unshare', '--mount', '--propagation', 'private', '/bin/sh', '-c', `/usr/bin/mount --bind ${file} /etc/resolv.conf && exec "$@"`, 'within'];
  return { name, within, behave: (next) => (manner = next) };
}

function listen(server: Socket, address: string): Promise<void> {
  return new Promise((resolve, reject) => server.once('error', reject).bind(53, address, resolve));
}

const [typeA, noSuchName] = [1, 3];

/** The question again, and one address where an address was asked for. @see RFC 1035 section 4 */
function answerTo(query: Buffer, name: string, manner: NameServerManner): Buffer {
  const end = questionEnd(query);
  const question = query.subarray(12, end);
  const isKnown = manner !== 'ignorant' && nameIn(query) === name;
  const address = isKnown && query.readUInt16BE(end - 4) === typeA ? [manner === 'wrong' ? oldAddress : rightAddress] : [];
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  // an answer, to a question that may be passed on, by one who may
  head.writeUInt16BE(0x8180 | (isKnown ? 0 : noSuchName), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(address.length, 6);
  // the name by a pointer to the question, class IN, for no time
  const records = address.map((four) => Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4, ...four]));
  return Buffer.concat([head, question, ...records]);
}

function questionEnd(query: Buffer): number {
  let at = 12;
  while (query[at] !== 0) at += query[at]! + 1;
  return at + 5;
}

function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; query[at] !== 0; at += query[at]! + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!));
  return labels.join('.');
}
