/**
 * Takes secrets out of free text before it is written down: program output, log lines, sentences that quote them.
 * Rather too much than too little; but what a diagnosis lives on stays (`using password: YES`).
 * Every pattern is bounded, so that no text can make the search slow.
 */

const mark = '[redacted]';

/** What looks like a secret; the first group is kept. The order matters: whole blocks, then lines, then words. */
const patterns: readonly RegExp[] = [
  /(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(?!\[redacted\])[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/g,
  // The end of a key whose beginning was cut off with the beginning of the output.
  /^()[\s\S]*?-----END [A-Z ]{0,30}PRIVATE KEY-----/g,
  /(\b(?:set-)?cookie:\s{0,8})(?!\s{0,8}\[redacted\])[^\r\n]+/gi,
  /(\b(?:proxy-)?authorization["']?\s{0,8}[:=]\s{0,8})(?!\s{0,8}\[redacted\])[^\r\n,}]+/gi,
  // User and password of an address, up to the last @ before a blank; but host:port/path?mail=a@b is none.
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/)(?!\[redacted\])[^\s/"'<>@:]{0,200}(?::(?!\d{1,5}[/?#])[^\s"'<>]{1,200})?(?=@)/gi,
  /(\bbearer\s{1,8})[\w.~+/=-]{6,}/gi,
  /(\b)(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
  // MySQL says "(using password: YES)": the word itself is evidence.
  /((?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)[\w-]{0,32}["']?\s{0,4}(?:=>|[=:])\s{0,4})(?!>|\s{0,4}["']?\[redacted\]|(?:YES|NO)\b)(?:"[^"\n]*"?|'[^'\n]*'?|[^\s,;&)"']+)/gi,
  /([?&][^\s=&#?"'<>]{1,128}=)(?!\[redacted\])[^\s&#"'<>)]+/g,
];

/** Of longer text only the end is searched and kept; no field of a record is that long. */
const searchedLength = 65_536;

/** The text without what looks like a secret, and how many were replaced. Doing it twice changes nothing more. */
export function redact(text: string): { readonly text: string; readonly replaced: number } {
  let replaced = 0;
  let clean = text.slice(-searchedLength);
  for (const pattern of patterns) {
    clean = clean.replace(pattern, (_all, kept: string) => {
      replaced += 1;
      return kept + mark;
    });
  }
  return { text: clean, replaced };
}
