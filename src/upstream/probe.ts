/** Does a backend answer? Looks only; decides nothing. */
import { Readable } from 'node:stream';
import type { Address, UpstreamFailure } from '../core/failure.ts';
import type { BackendTls } from './backend-tls.ts';
import { internalFailure } from './classify-failure.ts';
import { connectTo, type ConnectOptions } from './connect.ts';
import { http } from './http.ts';

/**
 * Connects and closes. `undefined` when the connection was taken, which proves a listening socket and nothing more:
 * the kernel takes connections for a frozen process too. A probe that was called off is a failure with source `internal`.
 */
export async function connectProbe(target: Address, timeoutMs: number, how: Pick<ConnectOptions, 'signal' | 'tls'> = {}): Promise<UpstreamFailure | undefined> {
  const result = await connectTo(target, { timeoutMs, ...how });
  if (result.kind === 'connected') result.socket.destroy();
  if (result.kind === 'client_gone') return calledOff(target);
  return result.kind === 'failure' ? result.failure : undefined;
}

/** What is asked, and how long the asking may take. */
export interface HttpProbe {
  readonly path: string;
  /** The Host field. */
  readonly host: string;
  /** For the connect, and again for the head of the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Speak TLS, as the gateway does. */
  readonly tls?: BackendTls | undefined;
}

/** `answered` with any status, also 5xx; `failure` in the words of the failure table. */
export type HttpProbeResult = { readonly kind: 'answered'; readonly status: number } | { readonly kind: 'failure'; readonly failure: UpstreamFailure };

/** Asks once with GET and reads no further than the head. Any status is an answer; what it means is the caller's. */
export async function httpProbe(target: Address, probe: HttpProbe): Promise<HttpProbeResult> {
  const { path, host, timeoutMs } = probe;
  const request = {
    method: 'GET',
    target: path,
    wire: { protocol: 'http', rawHeaders: ['Host', host, 'User-Agent', 'goodgateway-probe', 'Accept', '*/*'], upgrade: false },
    body: { length: 0, open: () => Readable.from([]) },
    clientGone: probe.signal ?? new AbortController().signal,
  } as const;
  const limits = { connectTimeoutMs: timeoutMs, responseTimeoutMs: timeoutMs, idleTimeoutMs: timeoutMs, tls: probe.tls };
  const result = await http.attempt(request, target, limits);
  if (result.kind === 'failure') return result;
  if (result.kind === 'client_gone') return { kind: 'failure', failure: calledOff(target) };
  result.body.destroy();
  return { kind: 'answered', status: result.head.status };
}

function calledOff(target: Address): UpstreamFailure {
  return internalFailure({ target, phase: 'connect', bytesWritten: 0, bytesRead: 0 }, 'the probe was called off');
}
