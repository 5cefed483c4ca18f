/** The path of a request's target for people: without its query, which may hold secrets; printable, as long as it came. */
export function plainPath(target: string): string {
  return printable(target.replace(/^[a-z][a-z0-9+.-]{0,20}:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0]! || '/');
}

/** Printable ASCII; other bytes (the text is Latin-1) as `\xe9`. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
