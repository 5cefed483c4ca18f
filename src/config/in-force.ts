import { join } from 'node:path';

/**
 * The copy of goodgateway.yaml that the healer of this folder obeys: what a proxy goes by that starts while the file
 * itself is being changed, or is refused. Written by the healer before it believes in it, removed at its orderly end.
 */
export function inForceFile(runtime: string): string {
  return join(runtime, 'in-force.yaml');
}
