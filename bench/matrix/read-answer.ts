/** How far an HTTP answer has come, in the bytes seen so far. Lenient: what proxies send is to be seen, not judged. */

export interface AnswerSoFar {
  readonly interim: readonly number[];
  readonly status: number | undefined;
  readonly head: string;
  /** As it came: chunks are not decoded. */
  readonly body: string;
  /** Its framing says that it is over. */
  readonly complete: boolean;
  /** The end of the connection is its proper end. */
  readonly lastsUntilClose: boolean;
}

/** Reads from the beginning each time: answers are short here. `text` is Latin-1. */
export function readAnswer(text: string): AnswerSoFar {
  const interim: number[] = [];
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n\r\n', at);
    const found = /^HTTP\/1\.[01] (\d{3})/.exec(text.slice(at, at + 12));
    if (end === -1 || !found) return { interim, status: undefined, head: '', body: '', complete: false, lastsUntilClose: false };
    const status = Number(found[1]);
    const head = text.slice(at, end);
    at = end + 4;
    if (status >= 200) return { interim, status, head, body: text.slice(at), ...framing(head, text.slice(at)) };
    interim.push(status);
  }
}

/** The first value of a header in a head, trimmed. */
export function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*\\r?$`, 'im').exec(head)?.[1];
}

function framing(head: string, body: string): { complete: boolean; lastsUntilClose: boolean } {
  if (headerOf(head, 'transfer-encoding') !== undefined) return { complete: chunkedLength(body) !== undefined, lastsUntilClose: false };
  const length = headerOf(head, 'content-length');
  if (length !== undefined) return { complete: body.length >= Number(length), lastsUntilClose: false };
  return { complete: false, lastsUntilClose: true };
}

/**
 * The length of a whole chunked body at the beginning of `text`; `undefined` while it is none. Reads bare line feeds, as old
 * proxies do; used for requests, too.
 */
export function chunkedLength(text: string): number | undefined {
  for (let at = 0; ;) {
    const line = /^([0-9a-f]+)[ \t]*(?:;[^\r\n]*)?\r?\n/i.exec(text.slice(at, at + 256));
    if (!line) return undefined;
    at += line[0].length;
    const size = Number.parseInt(line[1]!, 16);
    if (size === 0) {
      const trailer = /^(?:[^\r\n]+\r?\n)*\r?\n/.exec(text.slice(at));
      return trailer ? at + trailer[0].length : undefined;
    }
    const lineEnd = /^\r?\n/.exec(text.slice(at + size, at + size + 2));
    if (!lineEnd) return undefined;
    at += size + lineEnd[0].length;
  }
}
