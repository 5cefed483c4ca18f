/** What reading a large log costs: `goodgateway explain` beside grep and awk, which only look for one word each. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { costOf } from '../cost-of-process.ts';
import { table } from '../numbers.ts';
import type { Scope } from '../scope.ts';

const logBytes = 100 * 1024 ** 2;
const main = join(import.meta.dirname, '../../dist/cli/main.js');

export async function explain(scope: Scope): Promise<string> {
  const file = join(tempFolder(scope), 'mixed.log');
  const lines = await writeLog(file);
  const rows = [
    ['goodgateway explain', ...(await costOf([process.execPath, main, 'explain', '--json', file]))],
    ['grep -c -F, one word', ...(await costOf(['/bin/grep', '-c', '-F', 'upstream timed out', file]))],
    ['awk, one word', ...(await costOf(['/usr/bin/awk', '/upstream timed out/ { n++ } END { print n }', file]))],
  ];
  return [
    `A log of ${Math.round(logBytes / 1024 ** 2)} MiB, ${lines.toLocaleString('en')} lines of four programs; two in a hundred mean something:`,
    '',
    table(['', 'seconds', 'peak MiB', 'processor s'], rows),
  ].join('\n');
}

/** An nginx error log, an access log, php-fpm and an application, mixed. Returns the number of lines. */
async function writeLog(file: string): Promise<number> {
  const out = createWriteStream(file);
  let bytes = 0;
  let lines = 0;
  while (bytes < logBytes) {
    const piece = Array.from({ length: 2000 }, () => lineOf(lines++)).join('');
    bytes += piece.length;
    if (!out.write(piece)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  return lines;
}

function lineOf(n: number): string {
  const time = new Date(Date.UTC(2026, 10, 22) + n * 80).toISOString();
  const [date, clock] = [time.slice(0, 10), time.slice(11, 19)];
  const nginx = `${date.replaceAll('-', '/')} ${clock}`;
  const kind = n % 100;
  if (kind === 0)
    return `${nginx} [error] 731#731: *${n} upstream timed out (110: Connection timed out) while reading response header from upstream, client: 203.0.113.${n % 250}, server: shop.example, request: "GET /p/${n}?x=${n} HTTP/1.1", upstream: "fastcgi://unix:/run/php/shop.sock", host: "shop.example"\n`;
  if (kind === 1) return `[22-Nov-2026 ${clock}] WARNING: [pool shop] server reached pm.max_children setting (30), consider raising it\n`;
  if (kind < 50) return `203.0.113.${n % 251} - - [22/Nov/2026:${clock} +0000] "GET /p/${n}?x=1 HTTP/1.1" 200 5728 "-" "Mozilla/5.0 (X11; Linux x86_64)"\n`;
  return kind < 75
    ? `${nginx} [info] 731#731: *${n} client 203.0.113.${n % 250} is served by worker ${n % 8}\n`
    : `Nov 22 ${clock} web1 shop[812]: INFO order ${n} stored in ${n % 90} ms for customer ${n * 7}\n`;
}
