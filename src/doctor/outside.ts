/** The answers of the real host to what no file says. @see Outside */
import type { X509Certificate } from 'node:crypto';
import { lookup, Resolver } from 'node:dns/promises';
import { availableParallelism } from 'node:os';
import { TLSSocket } from 'node:tls';
import type { Address } from '../core/failure.ts';
import { systemClock } from '../core/time.ts';
import { askFpmPage } from '../healer/probes/read-fpm-page.ts';
import { readSpace } from '../healer/probes/read-disk-space.ts';
import { runCommand } from '../healer/run-command.ts';
import { backendTls } from '../upstream/backend-tls.ts';
import { connectTo } from '../upstream/connect.ts';
import type { Outside } from './check.ts';

const nameServerMs = 2000;
const lookupMs = 6000;
const connectMs = 500;
const handshakeMs = 3000;
const pageBytes = 65_536;

export const thisHost: Outside = {
  run: runCommand,
  clock: systemClock,
  isRoot: process.getuid?.() === 0,
  cpus: availableParallelism(),
  space: readSpace,
  whyUnresolved,
  whySilent,
  accepts,
  certificateAt,
  fpmStatus: (page, signal) => askFpmPage(page, { query: 'json', limitBytes: pageBytes }, signal),
};

/** By the C library, as nginx asks at its start. */
async function whyUnresolved(name: string, signal: AbortSignal): Promise<string | undefined> {
  const late = systemClock.sleep(lookupMs, signal).then(() => `no answer within ${lookupMs / 1000} s`);
  const asked = lookup(name).then(
    () => undefined,
    (error: unknown) => reasonOf(error),
  );
  return Promise.race([asked, late]);
}

/** A name that never exists (RFC 6761): that it does not is an answer, and any answer is one. */
async function whySilent(server: string): Promise<string | undefined> {
  const resolver = new Resolver({ timeout: nameServerMs, tries: 2 });
  try {
    resolver.setServers([server]);
    await resolver.resolve4('doctor.invalid');
    return undefined;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    return ['ETIMEOUT', 'ECONNREFUSED', 'ECANCELLED', 'EBADSTR', 'ERR_INVALID_IP_ADDRESS'].includes(code) ? code : undefined;
  }
}

async function accepts(address: Address, signal: AbortSignal): Promise<boolean> {
  const result = await connectTo(address, { timeoutMs: connectMs, signal });
  if (result.kind === 'connected') result.socket.destroy();
  return result.kind === 'connected';
}

/** Whatever it is: a certificate that is not trusted has an end, too. */
async function certificateAt(address: Address, serverName: string | undefined, signal: AbortSignal): Promise<X509Certificate | string> {
  const result = await connectTo(address, { timeoutMs: handshakeMs, signal, tls: backendTls({ server_name: serverName, verify: false }) });
  if (result.kind === 'client_gone') return 'out of time';
  if (result.kind === 'failure') return result.failure.detail;
  const certificate = result.socket instanceof TLSSocket ? result.socket.getPeerX509Certificate() : undefined;
  result.socket.destroy();
  return certificate ?? 'it shows none';
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
