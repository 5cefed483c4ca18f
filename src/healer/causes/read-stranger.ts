/**
 * The gateway and who listens there do not speak the same. What the gateway says of such a first answer is written by
 * `upstream/fastcgi/describe-stranger.ts` and `upstream/http/foreign-answer.ts`.
 */
import type { CaseFile } from '../leaves.ts';
import { currentListener, factOf, stateOf, type Fact } from './read-case.ts';

export interface Stranger {
  readonly gatewaySpeaks: 'FastCGI' | 'HTTP';
  /** Who is there, as the begin of a sentence: `node speaks HTTP`, `An SSH server answers`. */
  readonly says: string;
  /** The healer's own request was answered so, too. */
  readonly own: Fact | undefined;
}

interface Row {
  readonly words: RegExp;
  readonly gatewaySpeaks: Stranger['gatewaySpeaks'];
  says(who: string): string;
  /** Programs that speak so. An application of one's own that begins with the same bytes sends junk. */
  readonly programs?: RegExp;
}

const [ssh, mail, redis, mysql] = [/^sshd/, /^(?:master|smtpd|exim4?|vsftpd|proftpd|pure-ftpd)$/, /^(?:redis|valkey)/, /^(?:mariadbd|mysqld)/];

/** TLS is not among them where the gateway speaks HTTP: a handshake shows it for sure. */
const rows: readonly Row[] = [
  { words: /answered with HTTP text on a FastCGI port/, gatewaySpeaks: 'FastCGI', says: (who) => `${who} speaks HTTP` },
  { words: /answered with a TLS alert on a FastCGI port/, gatewaySpeaks: 'FastCGI', says: (who) => `${who} speaks TLS` },
  { words: /is an SSH server, no FastCGI backend/, gatewaySpeaks: 'FastCGI', says: () => 'An SSH server answers', programs: ssh },
  { words: /is a mail or FTP server, no FastCGI backend/, gatewaySpeaks: 'FastCGI', says: () => 'A mail or FTP server answers', programs: mail },
  { words: /is a Redis server, no FastCGI backend/, gatewaySpeaks: 'FastCGI', says: () => 'Redis answers', programs: redis },
  { words: /is no HTTP server: FastCGI is spoken there/, gatewaySpeaks: 'HTTP', says: (who) => `${who} speaks FastCGI` },
  { words: /is no HTTP server: an SSH server answers/, gatewaySpeaks: 'HTTP', says: () => 'An SSH server answers', programs: ssh },
  { words: /is no HTTP server: a mail or FTP server answers/, gatewaySpeaks: 'HTTP', says: () => 'A mail or FTP server answers', programs: mail },
  { words: /is no HTTP server: Redis answers/, gatewaySpeaks: 'HTTP', says: () => 'Redis answers', programs: redis },
  { words: /is no HTTP server: a MySQL or MariaDB server answers/, gatewaySpeaks: 'HTTP', says: () => 'A MySQL or MariaDB server answers', programs: mysql },
];

/** They listen for a service that is not up: systemd for a unit with a socket, the others for a container. */
const standIns: readonly string[] = ['systemd', 'systemd-socket-', 'docker-proxy', 'rootlessport', 'slirp4netns', 'conmon', 'pasta', 'pasta.avx2'];

/** A known program that is none of the service's own listens at the upstream in use. */
export function foreignListener(file: CaseFile): Fact | undefined {
  const listener = currentListener(file);
  if (listener?.word('state') !== 'listening' || listener.flag('byService')) return undefined;
  const program = listener.word('program');
  return program === '' || standIns.includes(program) ? undefined : listener;
}

/** The same beside a service that runs. Of one whose processes nobody knows everybody is a stranger. */
export function foreignBeside(file: CaseFile): Fact | undefined {
  return stateOf(file) === 'running' && factOf(file, 'processes') ? foreignListener(file) : undefined;
}

/** Somebody answered the gateway in another protocol; `undefined` where nothing says so. */
export function strangerOf(file: CaseFile): Stranger | undefined {
  const own = factOf(file, 'http_answer');
  const told = [own?.text ?? '', file.symptom.kind === 'http_protocol_error' ? file.symptom.text : ''];
  const row = rows.find(({ words }) => told.some((text) => words.test(text)));
  const listener = currentListener(file);
  if (!row || (listener?.flag('byService') && row.programs?.test(listener.word('program')) === false)) return undefined;
  return { gatewaySpeaks: row.gatewaySpeaks, says: row.says(whoListens(file)), own: own && row.words.test(own.text) ? own : undefined };
}

/** The program at the address, where it is none of the service's own; else the service. */
function whoListens(file: CaseFile): string {
  const listener = currentListener(file);
  return (listener && !listener.flag('byService') && listener.word('program')) || file.target.name;
}
