/**
 * The gateway and who listens there do not speak the same. What the gateway says of such a first answer is written by
 * `upstream/fastcgi/describe-stranger.ts` and `upstream/http/foreign-answer.ts`.
 */
import type { CaseFile } from '../leaves.ts';
import { currentListener, factOf, type Fact } from './read-case.ts';

export interface Stranger {
  readonly gatewaySpeaks: 'FastCGI' | 'HTTP';
  /** Who is there, as the begin of a sentence: `node speaks HTTP`, `An SSH server answers`. */
  readonly says: string;
  /** The healer's own request was answered so, too. */
  readonly own: Fact | undefined;
}

/** TLS is not among them where the gateway speaks HTTP: a handshake shows it for sure. */
const rows: readonly (readonly [RegExp, Stranger['gatewaySpeaks'], (who: string) => string])[] = [
  [/answered with HTTP text on a FastCGI port/, 'FastCGI', (who) => `${who} speaks HTTP`],
  [/answered with a TLS alert on a FastCGI port/, 'FastCGI', (who) => `${who} speaks TLS`],
  [/is an SSH server, no FastCGI backend/, 'FastCGI', () => 'An SSH server answers'],
  [/is a mail or FTP server, no FastCGI backend/, 'FastCGI', () => 'A mail or FTP server answers'],
  [/is a Redis server, no FastCGI backend/, 'FastCGI', () => 'Redis answers'],
  [/is no HTTP server: FastCGI is spoken there/, 'HTTP', (who) => `${who} speaks FastCGI`],
  [/is no HTTP server: an SSH server answers/, 'HTTP', () => 'An SSH server answers'],
  [/is no HTTP server: a mail or FTP server answers/, 'HTTP', () => 'A mail or FTP server answers'],
  [/is no HTTP server: Redis answers/, 'HTTP', () => 'Redis answers'],
  [/is no HTTP server: a MySQL or MariaDB server answers/, 'HTTP', () => 'A MySQL or MariaDB server answers'],
];

/** Somebody answered the gateway in another protocol; `undefined` where nothing says so. */
export function strangerOf(file: CaseFile): Stranger | undefined {
  const own = factOf(file, 'http_answer');
  const told = [own?.text ?? '', file.symptom.kind === 'http_protocol_error' ? file.symptom.text : ''];
  const row = rows.find(([words]) => told.some((text) => words.test(text)));
  return row && { gatewaySpeaks: row[1], says: row[2](whoListens(file)), own: own && row[0].test(own.text) ? own : undefined };
}

/** The program at the address, where it is none of the service's own; else the service. */
function whoListens(file: CaseFile): string {
  const listener = currentListener(file);
  return (listener && !listener.flag('byService') && listener.word('program')) || file.target.name;
}
