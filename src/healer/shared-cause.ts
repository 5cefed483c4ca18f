import type { Healer } from './healer.ts';
import type { Hindrance } from './policy/surroundings.ts';

/** Many services that began to fail together. */
export function sharedCause(_healer: Healer): Hindrance | undefined {
  return undefined;
}
