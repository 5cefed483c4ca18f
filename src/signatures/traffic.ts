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
  /** Requests far behind the first page of a list: only crawlers go there. */
  readonly deepPages: number;
  /** The most visited of those, without its query. */
  readonly deepPath: string;
}

export interface TrafficCount {
  /** Takes the line where it is one of an access log. */
  take(bytes: Uint8Array, from: number, to: number): boolean;
  seen(): Traffic;
}

/** `203.0.113.1 - - [03/Aug/2025:04:13:37 +0000] "GET /x HTTP/1.1" 200 5728 …`, the combined format of nginx and Apache. */
const form = /^(?:\S{1,80} {0,4}\| )?(\S{1,80}) \S{1,80} .{1,80}? \[\d{2}\/\w{3}\/\d{4}:[\d:]{8} [+-]\d{4}\] "(?:[A-Z]{3,10} (\S{0,2000})[^"]{0,20}|[^"]{0,2000})" (\d{3}) /;
const deepPage = /[?&](?:page|paged|p|offset|start)=(\d{3,9})/;

export function createTraffic(): TrafficCount {
  const decoder = new TextDecoder();
  const statuses = { '500': 0, '502': 0, '503': 0, '504': 0 };
  const clients = createFrequent();
  const paths = createFrequent();
  let requests = 0;
  let deepPages = 0;
  let deepPath = '';
  return {
    take(bytes, from, to) {
      if (!looksLikeAccess(bytes, from, to)) return false;
      const match = form.exec(decoder.decode(bytes.subarray(from, Math.min(to, from + 3000))));
      if (!match) return false;
      const [, client = '', target = '', status = ''] = match;
      requests += 1;
      const path = target.split('?')[0]!.slice(0, 200);
      clients.add(client);
      paths.add(path);
      if (deepPage.test(target)) {
        deepPages += 1;
        deepPath = path;
      }
      if (Object.hasOwn(statuses, status)) statuses[status as keyof typeof statuses] += 1;
      return true;
    },
    seen: () => ({ requests, statuses: { ...statuses }, client: clients.most(), path: paths.most(), deepPages, deepPath }),
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
