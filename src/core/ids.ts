const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * A ULID: 10 characters of wall time, 16 of randomness; sorts by time and is safe to read out on a telephone.
 * @see https://github.com/ulid/spec
 */
export function ulid(wallMs: number): string {
  let time = '';
  for (let rest = wallMs, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = alphabet.charAt(rest % 32) + time;
  let random = '';
  if (used + 16 > pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  for (const end = used + 16; used < end; used++) random += alphabet.charAt(pool[used]! & 31);
  return time + random;
}

/** Asked for in stock: one call of the system for each request is what its id costs. */
const pool = new Uint8Array(4096);
let used = pool.length;

/** The code that visitors see: the last six characters of the incident's ULID. */
export function incidentCode(incidentId: string): string {
  return incidentId.slice(-6);
}
