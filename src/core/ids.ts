const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * A ULID: 10 characters of wall time, 16 of randomness; sorts by time and is safe to read out on a telephone.
 * @see https://github.com/ulid/spec
 */
export function ulid(wallMs: number): string {
  let time = '';
  for (let rest = wallMs, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = alphabet.charAt(rest % 32) + time;
  let random = '';
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) random += alphabet.charAt(byte & 31);
  return time + random;
}

/** The code that visitors see: the last six characters of the incident's ULID. */
export function incidentCode(incidentId: string): string {
  return incidentId.slice(-6);
}
