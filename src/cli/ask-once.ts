/** One GET, as nginx would send it, to a gateway or to its backend. Never another method: whatever answers is a real site. */
import { Readable } from 'node:stream';
import type { Address, UpstreamFailure } from '../core/failure.ts';
import { backendTls } from '../upstream/backend-tls.ts';
import type { AttemptOptions, RequestWire, UpstreamResponse } from '../upstream/exchange.ts';
import { encodeParams } from '../upstream/fastcgi/params.ts';
import { responderRole } from '../upstream/fastcgi/record.ts';
import * as protocols from '../upstream/protocols.ts';
import type { GatewayConfig } from '../config/host-schema.ts';

export interface Question {
  readonly protocol: GatewayConfig['protocol'];
  /** Path and query. */
  readonly path: string;
  readonly host: string;
  readonly https: boolean;
  /** FastCGI only: what PHP runs. */
  readonly script: { readonly documentRoot: string; readonly name: string; readonly file: string } | undefined;
  /** Until the head of the answer, and again for its body. */
  readonly timeoutMs: number;
}

/** What came of it. `body`: its beginning, Latin-1 text as it came; `headers` by name in small letters, the first of each. */
export type Asked =
  | { readonly kind: 'answered'; readonly address: Address; readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string; readonly tookMs: number }
  | { readonly kind: 'failed'; readonly address: Address; readonly failure: UpstreamFailure; readonly tookMs: number };

const connectMs = 3000;
const bodyBytes = 16 * 1024;

/** Asks at one address. `tls`: speak TLS, as the gateway's configuration says for its backend. Never rejects for what a backend does. */
export async function askOnce(question: Question, address: Address, tls?: GatewayConfig['tls']): Promise<Asked> {
  const began = performance.now();
  const gone = new AbortController();
  const request = { method: 'GET', target: question.path, wire: wireOf(question), body: { length: 0, open: () => Readable.from([]) }, clientGone: gone.signal };
  const limits: AttemptOptions = { connectTimeoutMs: connectMs, responseTimeoutMs: question.timeoutMs, idleTimeoutMs: question.timeoutMs, tls: tls && backendTls(tls) };
  const result = await protocols[question.protocol].attempt(request, address, limits);
  const tookMs = performance.now() - began;
  if (result.kind === 'client_gone') throw new Error('nobody called the request off');
  if (result.kind === 'failure') return { kind: 'failed', address, failure: result.failure, tookMs };
  const body = await beginningOf(result, question.timeoutMs);
  return { kind: 'answered', address, status: result.head.status, headers: firstOfEach(result.head.rawHeaders), body, tookMs };
}

function wireOf(question: Question): RequestWire {
  const { host, https, protocol } = question;
  if (protocol === 'fastcgi') return { protocol, params: encodeParams(paramsOf(question)), role: responderRole };
  const forwarded = ['X-Real-IP', '127.0.0.1', 'X-Forwarded-For', '127.0.0.1', 'X-Forwarded-Proto', https ? 'https' : 'http'];
  return { protocol, rawHeaders: ['Host', host, 'User-Agent', agent, 'Accept', accept, ...forwarded], upgrade: false };
}

/** As nginx's own fastcgi_params have them. */
function paramsOf({ path, host, https, script }: Question): readonly (readonly [string, string])[] {
  const [uri = '/', query = ''] = path.split(/\?(.*)/s);
  return Object.entries({
    QUERY_STRING: query,
    REQUEST_METHOD: 'GET',
    CONTENT_TYPE: '',
    CONTENT_LENGTH: '',
    SCRIPT_NAME: script?.name ?? '',
    REQUEST_URI: path,
    DOCUMENT_URI: script?.name ?? uri,
    DOCUMENT_ROOT: script?.documentRoot ?? '',
    SERVER_PROTOCOL: 'HTTP/1.1',
    REQUEST_SCHEME: https ? 'https' : 'http',
    ...(https && { HTTPS: 'on' }),
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_SOFTWARE: 'goodgateway',
    REMOTE_ADDR: '127.0.0.1',
    REMOTE_PORT: '0',
    SERVER_ADDR: '127.0.0.1',
    SERVER_PORT: https ? '443' : '80',
    SERVER_NAME: host,
    REDIRECT_STATUS: '200',
    SCRIPT_FILENAME: script?.file ?? '',
    HTTP_HOST: host,
    HTTP_USER_AGENT: agent,
    HTTP_ACCEPT: accept,
  });
}

const agent = 'goodgateway-probe';
const accept = 'text/html,*/*;q=0.8';

/** At most 16 KiB; what follows is not waited for. An answer that is cut has the beginning that came. */
function beginningOf({ body }: UpstreamResponse, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const end = (): void => {
      clearTimeout(timer);
      body.off('data', take);
      resolve(text);
      body.destroy();
    };
    const take = (part: Buffer): void => {
      text += part.toString('latin1');
      if (text.length >= bodyBytes) end();
    };
    const timer = setTimeout(end, timeoutMs);
    body.on('data', take).once('end', end).once('close', end).once('error', end);
    body.on('error', () => undefined); // destroyed by ourselves while more was coming
  });
}

function firstOfEach(rawHeaders: readonly string[]): Readonly<Record<string, string>> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (!headers.has(name)) headers.set(name, rawHeaders[i + 1]!);
  }
  return Object.fromEntries(headers);
}
