import { ulid } from '../core/ids.ts';

/** nginx's id for a request where it gave a plain one (letters, digits, `-`, at most 64), else a ULID of ours. */
export function requestId(given: string | undefined): string {
  return given !== undefined && /^[A-Za-z0-9-]{1,64}$/.test(given) ? given : ulid(Date.now());
}
