/** php-fpm's slow log: where in which script a request was after `request_slowlog_timeout`. */
import { readTail } from './read-lines.ts';

/** One entry: the script, and the call at the top of its stack. */
export interface SlowTrace {
  readonly script: string;
  readonly call: string;
  /** `/var/www/shop/api.php:12` */
  readonly at: string;
}

const mostTraces = 200;
const longest = 200;

/** The entries since `sinceMs` (wall time), oldest first, of at most the last 64 KiB. Throws when the file cannot be read. */
export async function readSlowLog(path: string, sinceMs: number): Promise<readonly SlowTrace[]> {
  return parseSlowLog(await readTail(path, sinceMs));
}

/**
 * `[26-Nov-2026 20:07:55]  [pool www] pid 11158`, `script_filename = /x.php`, then the stack:
 * `[0x00007f5b41c150b0] curl_exec() /x.php:12`. The first call is the one that it is in.
 */
export function parseSlowLog(lines: readonly string[]): readonly SlowTrace[] {
  const traces: SlowTrace[] = [];
  let script: string | undefined;
  for (const line of lines) {
    script = /^script_filename = (\/[\x20-\x7e]{1,500})$/.exec(line)?.[1] ?? (line.startsWith('[0x') ? script : undefined);
    const frame = script === undefined ? null : /^\[0x[0-9a-f]{1,16}\] ([\w\\:>{}-]{1,200})\(\) ([\x21-\x7e][\x20-\x7e]{0,500}:\d{1,9})$/.exec(line);
    if (!frame || script === undefined) continue;
    traces.push({ script: script.slice(0, longest), call: frame[1]!, at: frame[2]!.slice(0, longest) });
    script = undefined;
  }
  return traces.slice(-mostTraces);
}

/** What the call waits for, in one word; empty where its name does not tell. */
export function waitOfCall(call: string): 'session' | 'remote' | 'database' | 'cache' | 'lock' | 'sleep' | '' {
  if (/^session_start$/.test(call)) return 'session';
  if (
    /^(?:curl_(?:multi_)?(?:exec|select)|fsockopen|pfsockopen|stream_socket_client|file_get_contents|fopen|fgets|fread|SoapClient->\w+|gethostbyname|dns_get_record|ftp_\w+|mail|imap_\w+|ldap_\w+)$/.test(
      call,
    )
  )
    return 'remote';
  if (/^(?:mysqli?[_>:-]|mysqli?->|PDO(?:Statement)?(?:->|::)|pg_|oci_|sqlsrv_|MongoDB)/i.test(call)) return 'database';
  if (/^(?:Redis(?:Cluster|Sentinel)?->|Memcached?->|memcache_)/i.test(call)) return 'cache';
  if (/^(?:flock|sem_acquire)$/.test(call)) return 'lock';
  return /^(?:sleep|usleep|time_nanosleep|time_sleep_until)$/.test(call) ? 'sleep' : '';
}
