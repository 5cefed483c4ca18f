/** One line as somebody pasted it → its message, its time, and what nginx says behind every message. Never throws. */
import { timeIn, type LogTime } from './log-time.ts';

export interface LogLine {
  /** Without colours, typographic quotes, and what nginx appends; every run of blanks is one. */
  readonly message: string;
  readonly time: LogTime | undefined;
  /** From here on the line quotes another program, or a visitor. */
  readonly quotedFrom: number;
  /** `upstream`, `protocol`, `family`, `server`, `host`, `path` of an nginx line, as far as they are there. */
  readonly fields: Readonly<Record<string, string>>;
}

/** The end of nginx's or Apache's own message; what follows it is partly the visitor's. */
const appended = [', client: ', ', server: ', ', request: "', ', upstream: "', ', host: "', ', referrer: "', ', referer: '];
const carriers = [
  'FastCGI sent in stderr: ',
  "Got error 'PHP message: ",
  'AH01071: Got error ',
  'said into stderr: ',
  'said into stdout: ',
  'File does not exist: ',
  'client denied by server configuration: ',
  'Invalid URI in request ',
  'Invalid method in request ',
];
/** A line of an access log: path, referrer and user agent are the visitor's. */
const accessed = /\] "[A-Z]{3,10} \S/;

/** Never fails: of a line that is no log line the message is all. */
export function readLine(text: string): LogLine {
  const clean = cleaned(text);
  const end = Math.min(...appended.map((word) => clean.indexOf(word)).map((at) => (at < 0 ? clean.length : at)));
  const message = clean.slice(0, end);
  const quoted = [...carriers.map((word) => message.indexOf(word)), message.search(accessed)].filter((at) => at >= 0);
  return { message, time: timeIn(message), quotedFrom: quoted.length > 0 ? Math.min(...quoted) : message.length, fields: end < clean.length ? nginxFields(clean.slice(end)) : {} };
}

function cleaned(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const plain = text.includes('\u001b') ? text.replaceAll(/\u001b\[[\d;]{0,20}[A-Za-z]/g, '') : text;
  return plain
    .replaceAll(/[“”„]/g, '"')
    .replaceAll(/[‘’]/g, "'")
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/^[> *_]+|[*_ ]+$/g, '');
}

function nginxFields(tail: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  const upstream = quoted(tail, ', upstream: "');
  if (upstream) Object.assign(fields, placeFields(upstream), addressOf(upstream) === '' ? {} : { upstream: addressOf(upstream) });
  const host = quoted(tail, ', host: "');
  if (host) fields['host'] = host;
  const server = /, server: ([^,]{1,200})/.exec(tail)?.[1];
  if (server) fields['server'] = server;
  const path = /^\S{1,20} ([^\s?"]{1,200})/.exec(quoted(tail, ', request: "') ?? '')?.[1];
  if (path) fields['path'] = path;
  return fields;
}

function quoted(tail: string, before: string): string | undefined {
  const start = tail.lastIndexOf(before);
  if (start < 0) return undefined;
  const from = start + before.length;
  const end = tail.indexOf('"', from);
  return tail.slice(from, Math.min(end < 0 ? tail.length : end, from + 300)) || undefined;
}

/** What an address says beside itself: `protocol` of a URL, and `family: ipv6` of one in brackets. */
export function placeFields(address: string): Readonly<Record<string, string>> {
  const protocol = /^([a-z]{1,20}):\/\//.exec(address)?.[1];
  const isIpv6 = /^(?:[a-z]{1,20}:\/\/)?\[[\da-fA-F:.]{2,45}\]/.test(address);
  return { ...(protocol === undefined ? {} : { protocol }), ...(isIpv6 ? { family: 'ipv6' } : {}) };
}

/** `fastcgi://unix:/run/php.sock:` and `http://127.0.0.1:8000/page` → what a person calls it. */
function addressOf(url: string): string {
  const place = url.replace(/^[a-z]{1,20}:\/\//, '');
  if (place.startsWith('unix:')) return `unix:${place.slice(5).replace(/^\/+/, '/').split(':')[0]}`;
  return place.split('/')[0] ?? place;
}
