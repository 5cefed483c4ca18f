import { dirname } from 'node:path';
import { placeOf } from '../channel/listen-on.ts';
import type { Address } from '../core/failure.ts';

/** What Node's permission model says, where the process was started with it. */
const { permission } = process as { readonly permission?: { has(scope: 'fs.read' | 'fs.write', path: string): boolean } };

const cure = 'what the proxy may reach is fixed when it starts: restart it (units of systemd: goodgateway units --write, and what it says)';

/** Why no socket can be made at a new address, before it is tried; `undefined`: nothing is known against it. */
export function whyOutOfReach(address: Address): string | undefined {
  if (address.kind === 'tcp' || permission === undefined) return undefined;
  const { path } = address;
  const isOpen = permission.has('fs.read', path) && permission.has('fs.write', placeOf(path));
  return isOpen ? undefined : `the proxy may make no socket in ${dirname(path)}: ${cure}`;
}

/** Adds the cure to a sentence in which Node says that a file is closed to this process. */
export function withCure(sentence: string): string {
  return sentence.includes('Access to this API has been restricted') ? `${sentence}: ${cure}` : sentence;
}
