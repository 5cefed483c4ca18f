/**
 * Access logs: they hold no errors, but they show who asks, and how often the answer was a gateway's. Their lines are
 * read for nothing else: what a visitor asked for must never look like a program's message.
 */

export interface Traffic {
  readonly requests: number;
  /** How many answers had the status 502, 503, 504, and 500. */
  readonly statuses: Readonly<Record<'500' | '502' | '503' | '504', number>>;
  /** Who asked most, at least; absent where nobody stands out. */
  readonly client: { readonly name: string; readonly requests: number } | undefined;
  /** What was asked for most, without its query, at least. */
  readonly path: { readonly name: string; readonly requests: number } | undefined;
  /** Requests of programs that call themselves crawlers. */
  readonly crawlers: number;
  /** Requests far behind the first page of a list: only crawlers go there. */
  readonly deepPages: number;
  /** The most visited of those, without its query. */
  readonly deepPath: string;
  /** Requests that try passwords, and the page that they are sent to. */
  readonly guesses: number;
  readonly guessedPath: string;
}

export interface TrafficCount {
  /** Takes the line where it is one of an access log. */
  take(bytes: Uint8Array, from: number, to: number): boolean;
  seen(): Traffic;
}

/** `[03/Aug/2025:04:13:37 +0000]`: nginx and Apache write the time so in access logs only, whatever their format is else. */
const time = /\[\d{2}\/[A-Z][a-z]{2}\/\d{4}:[\d:]{8} [+-]\d{4}\]/;
const request = /"?\b(GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|PROPFIND) "?(\/[^\s"]{0,2000})/;
const address = /(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-fA-F]{1,4}:[\da-fA-F:]{3,40})(?![\w:])/;
const statusCode = /(?<=["\s])(50[0234])(?=\s)/;
/** Pages of WordPress that are called by the thousand to guess passwords. */
const guessed = /\/(?:xmlrpc|wp-login)\.php$/;
const crawler = /(?:bot|crawler|spider)\b/i;
const deepPage = /[?&](?:page|paged|p|offset|start)=(\d{3,9})/;

export function createTraffic(): TrafficCount {
  const decoder = new TextDecoder();
  const statuses = { '500': 0, '502': 0, '503': 0, '504': 0 };
  const clients = createFrequent();
  const paths = createFrequent();
  let requests = 0;
  let crawlers = 0;
  let deepPages = 0;
  let deepPath = '';
  let guesses = 0;
  let guessedPath = '';
  return {
    take(bytes, from, to) {
      if (!looksLikeAccess(bytes, from, to)) return false;
      const text = decoder.decode(bytes.subarray(from, Math.min(to, from + 3000)));
      if (!time.test(text.slice(0, 250))) return false;
      requests += 1;
      const [, method, target = ''] = request.exec(text) ?? [];
      const path = target.split('?')[0]!.slice(0, 200);
      clients.add(address.exec(text)?.[0] ?? text.slice(0, text.search(/[\s|]/)));
      if (path !== '') paths.add(path);
      if (crawler.test(text)) crawlers += 1;
      if (deepPage.test(target)) {
        deepPages += 1;
        deepPath = path;
      }
      if (method === 'POST' && guessed.test(path)) {
        guesses += 1;
        guessedPath = path;
      }
      const status = statusCode.exec(text)?.[1];
      if (status !== undefined) statuses[status as keyof typeof statuses] += 1;
      return true;
    },
    seen: () => ({ requests, statuses: { ...statuses }, client: clients.most(), path: paths.most(), crawlers, deepPages, deepPath, guesses, guessedPath }),
  };
}

/** `[dd/` within the first bytes, and a quote behind it: nothing is decoded for other lines. */
function looksLikeAccess(bytes: Uint8Array, from: number, to: number): boolean {
  const end = Math.min(to - 25, from + 160);
  for (let i = from; i < end; i++) if (bytes[i] === 91 && bytes[i + 3] === 47 && bytes[i + 7] === 47 && bytes[i + 12] === 58) return true;
  return false;
}

/** Who comes most, in little memory (Misra and Gries, 1982): the count is at least so high. */
function createFrequent(): { add(name: string): void; most(): { readonly name: string; readonly requests: number } | undefined } {
  const counts = new Map<string, number>();
  return {
    add(name) {
      const count = counts.get(name);
      if (count !== undefined || counts.size < 200) return void counts.set(name, (count ?? 0) + 1);
      for (const [other, left] of counts)
        if (left === 1) counts.delete(other);
        else counts.set(other, left - 1);
    },
    most() {
      const [first] = [...counts].toSorted((a, b) => b[1] - a[1]);
      return first && { name: first[0], requests: first[1] };
    },
  };
}
