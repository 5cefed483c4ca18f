/** Which gateway an address of nginx's error log belongs to. Text of the log is compared here and goes no further. */
import { formatAddress, type Address } from '../../core/failure.ts';

export interface KnownGateway {
  readonly name: string;
  /** The configured upstream, then `also_allowed`. */
  readonly upstreams: readonly Address[];
  /** Where nginx finds the gateway itself. */
  readonly listen: readonly Address[];
}

/** `backend`: nginx talked to the n-th upstream itself; `gateway`: to goodgateway. */
export type Whose =
  { readonly side: 'backend'; readonly gateway: string; readonly upstream: number; readonly address: string } | { readonly side: 'gateway'; readonly gateway: string; readonly address: string };

/** The gateway whose address `place` begins with. Of two with the same backend the first stands for both. */
export function whoseAddress(place: string, gateways: readonly KnownGateway[]): Whose | undefined {
  const known = gateways.flatMap(({ name, upstreams, listen }) => [
    ...upstreams.map((one, upstream): Whose & { one: Address } => ({ side: 'backend', gateway: name, upstream, address: formatAddress(one), one })),
    ...listen.map((one): Whose & { one: Address } => ({ side: 'gateway', gateway: name, address: formatAddress(one), one })),
  ]);
  const found = known.find(({ one }) => spellings(one).some((spelling) => beginsWith(place, spelling)));
  if (!found) return undefined;
  const { one: _, ...whose } = found;
  return whose;
}

/** nginx writes the address that it connects to; of names only `localhost` is known without asking anybody. */
function spellings(address: Address): readonly string[] {
  if (address.kind === 'tcp' && address.host === 'localhost') return [`127.0.0.1:${address.port}`, `[::1]:${address.port}`];
  return [formatAddress(address)];
}

/** Behind it: nothing, the quote, or the target; behind a unix path nginx sometimes puts a colon. */
function beginsWith(place: string, spelling: string): boolean {
  return place.startsWith(spelling) && (place.length === spelling.length || [':', '/', '"', '?'].includes(place.charAt(spelling.length)));
}
