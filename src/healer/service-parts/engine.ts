/**
 * One request to a container Engine's API, bounded in time and bytes. Only what the configuration says reaches the URL.
 * The version is not asked for, because a filter in front of the socket may let only the needed paths through: an
 * Engine that does not speak ours names the one that it speaks, before it does anything.
 * @see https://docs.docker.com/reference/api/engine/
 */
import type { Client } from 'undici';
import { formatAddress, type Address } from '../../core/failure.ts';
import { readBeginning } from '../read-beginning.ts';

/** A container and the Engine that it runs in: part of a service's configuration. */
export interface ContainerPlace {
  readonly api: Address;
  readonly container: string;
}

export interface EngineRequest {
  readonly method: 'GET' | 'POST';
  /** Behind the version: `/containers/shop/json`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly mostBytes: number;
}

/**
 * `not_sent`: nobody could be reached, so nothing was done; `no_answer`: it may have been done. Of an answer that was
 * longer than allowed, or did not end in time, what came is there.
 */
export type EngineAnswer =
  { readonly kind: 'answered'; readonly status: number; readonly body: Buffer } | { readonly kind: 'not_sent'; readonly why: string } | { readonly kind: 'no_answer'; readonly why: string };

/** Docker 20.10 and Podman 4 speak it; newer ones may say that it is too old. */
const firstVersion = '1.41';
/** What each Engine said that it speaks; one entry for each `api` of the configuration. */
const spokenVersions = new Map<string, string>();

/** Asks once, and once more when the Engine names another version. Never rejects. */
export async function askEngine(api: Address, request: EngineRequest, signal: AbortSignal): Promise<EngineAnswer> {
  const engine = formatAddress(api);
  const answer = await ask(api, request, { version: spokenVersions.get(engine) ?? firstVersion, signal });
  const other = otherVersion(answer);
  if (other === undefined) return answer;
  spokenVersions.set(engine, other);
  return ask(api, request, { version: other, signal });
}

/** The path of a container's own things. */
export function containerPath({ container }: ContainerPlace, what: string): string {
  return `/containers/${encodeURIComponent(container)}/${what}`;
}

/** An answer that is an error, in the Engine's own words. */
export function refusalText({ status, body }: Pick<Extract<EngineAnswer, { kind: 'answered' }>, 'status' | 'body'>): string {
  return `the Engine answered ${status}: ${engineMessage(body)}`;
}

/** Of `{"message":"No such container: shop"}` the message. At most 300 characters. */
function engineMessage(body: Buffer): string {
  const text = body.toString('utf8').trim();
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed && typeof parsed.message === 'string') return parsed.message.slice(0, 300);
  } catch {
    // A filter in front of the Engine answers in words of its own.
  }
  return text.slice(0, 300) || 'no reason given';
}

async function ask(api: Address, request: EngineRequest, { version, signal }: { readonly version: string; readonly signal: AbortSignal }): Promise<EngineAnswer> {
  if (signal.aborted) return { kind: 'not_sent', why: 'its time was over before it was asked' };
  const late = AbortSignal.timeout(request.timeoutMs);
  const client = await clientFor(api);
  try {
    const query = request.query ? `?${new URLSearchParams(request.query).toString()}` : '';
    const answer = await client.request({ method: request.method, path: `/v${version}${request.path}${query}`, signal: AbortSignal.any([signal, late]), headersTimeout: 0, bodyTimeout: 0 });
    return { kind: 'answered', status: answer.statusCode, body: await readBeginning(answer.body, request.mostBytes) };
  } catch (error) {
    return failureOf(error, { api, late: late.aborted || signal.aborted });
  } finally {
    // best effort: the answer is read, or is not wanted any more
    void client.destroy().catch(() => undefined);
  }
}

/** Loaded when the first container is looked at: a host without any does not pay for it. One connection for one request. */
async function clientFor(api: Address): Promise<Client> {
  const { Client } = await import('undici');
  const connect = { timeout: 2000, ...(api.kind === 'unix' ? { socketPath: api.path } : {}) };
  const host = api.kind === 'unix' ? 'localhost' : formatAddress(api);
  return new Client(`http://${host}`, { connect });
}

/** No connection, no request: the only failures of which it is sure that nothing was done. */
const neverConnected = ['ECONNREFUSED', 'ENOENT', 'EACCES', 'EPERM', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];

function failureOf(error: unknown, { api, late }: { readonly api: Address; readonly late: boolean }): EngineAnswer {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const engine = `the Engine at ${formatAddress(api)}`;
  if (neverConnected.includes(code)) return { kind: 'not_sent', why: `${engine} cannot be reached (${code})` };
  return { kind: 'no_answer', why: late ? `${engine} did not answer in time` : `${engine} broke off: ${error instanceof Error ? error.message : String(error)}` };
}

function otherVersion(answer: EngineAnswer): string | undefined {
  if (answer.kind !== 'answered' || answer.status !== 400) return undefined;
  return /client version [\d.]+ is too (?:old|new)\. (?:Minimum|Maximum) supported API version is (\d{1,3}\.\d{1,4})/.exec(engineMessage(answer.body))?.[1];
}
