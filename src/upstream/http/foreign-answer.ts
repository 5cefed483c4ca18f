/** Names what answers when it is no HTTP server, or not a plain one: most wrong ports can be told by a few bytes. */

/** What the backend sent instead of HTTP, as the end of a sentence; quotes at most 40 of the first bytes. */
export function describeForeign(firstBytes: Buffer): string {
  const known = foreign.find((row) => row.matches(firstBytes));
  const first = quoted(firstBytes.subarray(0, 40));
  return known ? `is no HTTP server: ${known.says} (it began with ${first})` : `sent no HTTP answer: it began with ${first}`;
}

/**
 * Does this 400 say that the port wants TLS? Only what came together with the head is looked at, which is how servers
 * send it; a server that splits it is passed through as the answer that it also is.
 */
export function wantsTls(status: number, bodyStart: Buffer): boolean {
  if (status !== 400) return false;
  const text = bodyStart.toString('latin1', 0, 1024);
  return tlsSentences.some((sentence) => text.includes(sentence));
}

/** nginx, Apache (which writes its apostrophe both ways), Go. */
const tlsSentences = ['The plain HTTP request was sent to HTTPS port', 'speaking plain HTTP to an SSL-enabled server port', 'Client sent an HTTP request to an HTTPS server'];

interface ForeignRow {
  readonly says: string;
  matches(bytes: Buffer): boolean;
}

const foreign: readonly ForeignRow[] = [
  { says: 'an SSH server answers', matches: (bytes) => startsWith(bytes, 'SSH-') },
  { says: 'TLS is spoken there, so this is an HTTPS port', matches: (bytes) => (bytes[0] === 0x15 || bytes[0] === 0x16) && bytes[1] === 0x03 },
  { says: 'FastCGI is spoken there, so this is an application server such as php-fpm', matches: (bytes) => bytes[0] === 0x01 && fastcgiTypes.has(bytes[1]) },
  { says: 'a mail or FTP server answers', matches: (bytes) => startsWith(bytes, '220 ') || startsWith(bytes, '220-') },
  { says: 'Redis answers', matches: (bytes) => startsWith(bytes, '-ERR ') || startsWith(bytes, '-NOAUTH') || startsWith(bytes, '-DENIED') },
  { says: 'a MySQL or MariaDB server answers', matches: (bytes) => bytes[3] === 0x00 && (bytes[4] === 0x0a || bytes[4] === 0xff) },
];
/** END_REQUEST, STDOUT, STDERR, GET_VALUES_RESULT, UNKNOWN_TYPE: what an application may send. */
const fastcgiTypes: ReadonlySet<number | undefined> = new Set([3, 6, 7, 10, 11]);

function startsWith(bytes: Buffer, text: string): boolean {
  return bytes.toString('latin1', 0, text.length) === text;
}

function quoted(bytes: Buffer): string {
  const text = bytes.toString('latin1').replaceAll(/[^ -~]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${text}"`;
}
