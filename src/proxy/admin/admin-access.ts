/**
 * Who may read the dashboard. Without a token: whoever reaches the listener, which is on this host; but not a page of
 * another site that a browser here was made to open (DNS rebinding), so its name must be one of this host's. With a
 * token: who shows it, in `Authorization: Bearer` or in the cookie that `/login` gave for it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

export type Access = { readonly allowed: true } | { readonly allowed: false; readonly status: 401 | 403 | 429; readonly why: string };

const cookieName = 'goodgateway';
const shortestToken = 16;
const longestToken = 4096;
/** Guesses in one minute, of all callers together: whoever has the token is never one of them. */
const mostWrongInAMinute = 30;

/** The token, or why there is none, as a sentence. */
export async function readToken(file: string): Promise<{ readonly ok: true; readonly token: string } | { readonly ok: false; readonly why: string }> {
  try {
    const about = await stat(file);
    if (!about.isFile() || about.size > longestToken) return { ok: false, why: `${file}: expected a file with one token in it` };
    if ((about.mode & 0o007) !== 0) return { ok: false, why: `${file}: every user of this host may read it; chmod o= ${file}` };
    const token = (await readFile(file, 'utf8')).trim();
    if (token.length < shortestToken || /\s/.test(token)) return { ok: false, why: `${file}: expected one token of at least ${shortestToken} letters, such as \`openssl rand -hex 24\` prints` };
    return { ok: true, token };
  } catch (error) {
    return { ok: false, why: `${file}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

export class AdminAccess {
  readonly #token: string | undefined;
  readonly #nowMs: () => number;
  #wrong: number[] = [];

  constructor(token: string | undefined, nowMs: () => number) {
    this.#token = token;
    this.#nowMs = nowMs;
  }

  /** Is a token asked for at all? */
  get asksForToken(): boolean {
    return this.#token !== undefined;
  }

  judge({ headers, socket }: IncomingMessage): Access {
    if (this.#token === undefined) return isOwnName(headers.host) || socket.remoteAddress === undefined ? { allowed: true } : strangeName;
    const shown = /^Bearer ([^\s]+)$/i.exec(headers.authorization ?? '')?.[1];
    if (shown !== undefined) return this.try(shown);
    return isSame(cookieOf(headers.cookie), cookieValue(this.#token)) ? { allowed: true } : { allowed: false, status: 401, why: 'expected the token of admin.token_file' };
  }

  /** One guess; too many wrong ones in a minute, and nobody's is looked at. */
  try(shown: string): Access {
    const now = this.#nowMs();
    this.#wrong = this.#wrong.filter((atMs) => now - atMs < 60_000);
    if (this.#wrong.length >= mostWrongInAMinute) return { allowed: false, status: 429, why: 'too many wrong tokens; wait a minute' };
    if (this.#token !== undefined && isSame(shown, this.#token)) return { allowed: true };
    this.#wrong.push(now);
    return { allowed: false, status: 401, why: 'this is not the token of admin.token_file' };
  }

  /** For who has shown the token: the browser keeps it, no script can read it, no other site can use it. */
  cookie(isSecure: boolean): string {
    return `${cookieName}=${cookieValue(this.#token ?? '')}; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200${isSecure ? '; Secure' : ''}`;
  }
}

const strangeName: Access = {
  allowed: false,
  status: 403,
  why: 'this listener answers to an address or to localhost only, so that no other site can read it through your browser; behind nginx, leave proxy_set_header Host as it is by default',
};

/** Behind a unix socket, and for programs, there may be any name or none. */
function isOwnName(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return name === '' || name === 'localhost' || isIP(name) !== 0;
}

/** Not the token itself: what a browser keeps on its disk opens the dashboard, and nothing else. */
function cookieValue(token: string): string {
  return createHash('sha256').update(`goodgateway dashboard ${token}`).digest('hex');
}

function cookieOf(header: string | undefined): string {
  return (
    (header ?? '')
      .split(';')
      .map((pair) => pair.trim())
      .find((pair) => pair.startsWith(`${cookieName}=`))
      ?.slice(cookieName.length + 1) ?? ''
  );
}

function isSame(shown: string, expected: string): boolean {
  const [a, b] = [shown, expected].map((text) => createHash('sha256').update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}
