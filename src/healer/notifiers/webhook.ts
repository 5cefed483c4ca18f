/**
 * A POST to an address: JSON with fields, or the `{"text": …}` of Slack. One connection a message: there are few, and
 * the next may be hours away. Redirects are not followed, because a secret would follow them.
 */
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Dispatcher } from 'undici';
import { whyNoAddress, type WebhookConfig } from '../../config/notifier-schema.ts';
import { fieldsOf, textOf, type Message, type Notifier, type SendOutcome } from '../notifier.ts';
import { readBeginning } from '../read-beginning.ts';
import { readSecret, wordsWithout } from './read-secret.ts';

/** The same message would be refused again. Everything else may be put right at the other end, or in the configuration. */
const refusesThisMessage: ReadonlySet<number> = new Set([400, 406, 413, 415, 422]);
const mostAnswerBytes = 4096;
const connectTimeoutMs = 5000;

/** Sent when the receiver answers 2xx. */
export const webhook: Notifier<WebhookConfig> = {
  type: 'webhook',
  async send(message, settings, signal) {
    const request = await prepare(message, settings);
    return 'problem' in request ? { kind: 'failed', retry: true, detail: request.problem } : post(request, signal);
  },
};

interface Prepared {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly ca: string | undefined;
  readonly secrets: readonly (string | undefined)[];
}

async function prepare(message: Message, settings: WebhookConfig): Promise<Prepared | { readonly problem: string }> {
  const read = await Promise.all([
    readSecret({ file: settings.url_file, env: settings.url_env }),
    readSecret({ file: settings.token_file, env: settings.token_env }),
    readSecret({ file: settings.secret_file, env: settings.secret_env }),
  ]);
  const missing = read.find((one) => 'problem' in one);
  if (missing) return missing;
  const [address, token, key] = read.map((one) => ('secret' in one ? one.secret : undefined));
  const text = settings.url ?? address ?? '';
  const wrong = whyNoAddress(text);
  if (wrong !== undefined) return { problem: `${settings.url_file ?? settings.url_env ?? 'url'}: ${wrong}` };
  const ca = settings.ca === undefined ? undefined : await readFile(settings.ca, 'utf8').catch(() => null);
  if (ca === null) return { problem: `the authorities of ${settings.ca} cannot be read` };
  const url = new URL(text);
  const body = JSON.stringify(settings.format === 'slack' ? { text: slackText(message) } : fieldsOf(message));
  const headers = {
    'user-agent': 'goodgateway',
    ...settings.headers,
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(key === undefined ? {} : { 'x-goodgateway-signature': `sha256=${createHmac('sha256', key).update(body).digest('hex')}` }),
  };
  return { url, headers, body, ca, secrets: [address, ...secretsOf(url), token, key] };
}

/** A part that is shorter is a word such as `hooks`, which is no secret. */
const shortestSecretPart = 8;

/** A receiver may say back the whole path, or the one part of it that is the secret. */
function secretsOf({ pathname, search, searchParams }: URL): readonly string[] {
  const parts = [...pathname.split('/'), ...searchParams.values()].filter((part) => part.length >= shortestSecretPart);
  return [...(pathname.length > 1 ? [pathname] : []), search.slice(1), ...parts];
}

/** The code leads, because an incoming webhook cannot reply in a thread. */
function slackText(message: Message): string {
  const { code, host } = message;
  return `${code === undefined ? '' : `[${code}] `}${host}: ${escaped(textOf(message))}`;
}

/** What a backend answered may be quoted in it: no link of its making, and nobody's call for everybody (`<!channel>`, `@everyone`). */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('@', '@\u200b');
}

async function post({ url, headers, body, ca, secrets }: Prepared, signal: AbortSignal): Promise<SendOutcome> {
  // loaded with the first message: most healers never send one
  const { Agent, request } = await import('undici');
  const agent = new Agent({ connect: { timeout: connectTimeoutMs, ...(ca === undefined ? {} : { ca }) }, pipelining: 0 });
  try {
    const answer = await request(url, { method: 'POST', headers, body, signal, dispatcher: agent });
    const words = wordsWithout(secrets, (await readBeginning(answer.body, mostAnswerBytes)).toString('utf8'));
    return judge(answer, words === '' ? '' : `: ${words}`, url.host);
  } catch (error) {
    return { kind: 'failed', retry: true, detail: `${url.host} ${signal.aborted ? 'did not answer in time' : `cannot be reached (${reasonOf(error)})`}` };
  } finally {
    // best effort: what came is read
    void agent.destroy().catch(() => undefined);
  }
}

function judge({ statusCode, headers }: Dispatcher.ResponseData, words: string, host: string): SendOutcome {
  if (statusCode >= 200 && statusCode < 300) return { kind: 'sent' };
  if (statusCode >= 300 && statusCode < 400) return { kind: 'failed', retry: true, detail: `${host} answered ${statusCode}, a redirect, which is not followed: name the final address` };
  const after = retryAfterMs(headers['retry-after']);
  return { kind: 'failed', retry: !refusesThisMessage.has(statusCode), detail: `${host} answered ${statusCode}${words}`, ...(after === undefined ? {} : { retryAfterMs: after }) };
}

/** Seconds, or a date, @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
function retryAfterMs(written: string | readonly string[] | undefined): number | undefined {
  if (typeof written !== 'string') return undefined;
  const ms = /^\d{1,9}$/.test(written) ? Number(written) * 1000 : Date.parse(written) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** The system's or OpenSSL's name of it: their sentences may quote the address. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
