/**
 * Takes secrets out of free text before it is written down: program output, log lines, sentences that quote them.
 * Rather too much than too little; but what a diagnosis lives on stays (`using password: YES`).
 * Every pattern is bounded, so that no text can make the search slow.
 */

const mark = '[redacted]';

/** A value as shells and configuration files write it; with quotes it may hold blanks. */
const value = String.raw`(?!["']?\[redacted\])(?:"[^"\n]{0,4096}"?|'[^'\n]{0,4096}'?|[^\s"']\S{0,4095})`;
const secretWord = 'passw(?:or)?d|passphrase|pass|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key';
/** What stands between a name, which may have quotes of its own, and its value, which may be the first of a list. */
const equals = String.raw`(?:\\{0,3}["'])?\s{0,4}(?:=>|[=:](?!>))\s{0,4}(?:\[\s{0,4})?`;
/**
 * A text in quotes. In JSON that is quoted in JSON they have backslashes: the same ones begin and end it, those within it
 * have one more. Where it is cut off it ends with its line.
 */
const quoted = String.raw`(?<quotes>\\{0,3}["'])[^\n]{0,4096}?(?:(?<!\\)\k<quotes>|(?=\n)|$)`;
/** `--db-password`, `-token`; but `--no-ask-password` takes no value, and of `--token-file` the value is a path. */
const secretFlag = String.raw`(?!--?(?:no|ask|skip|use)-)--?(?:[\w-]{0,40}[_-])?(?:${secretWord}|requirepass)`;
/** Programs with a short option for the password, or for user and password in one. */
const programFlags: readonly { readonly program: string; readonly flag: string; readonly gap: string; readonly value: string }[] = [
  { program: String.raw`(?:mysql|mariadb)[\w-]{0,20}`, flag: '-p', gap: '', value },
  { program: String.raw`(?:sshpass|mongo\w{0,10})`, flag: '-p', gap: String.raw`\s{0,4}`, value },
  { program: 'redis-cli', flag: '-a', gap: String.raw`\s{0,4}`, value },
  { program: String.raw`ldap\w{0,10}`, flag: '-w', gap: String.raw`\s{0,4}`, value },
  {
    program: 'curl',
    flag: '(?:-[A-Za-z]{0,8}[uU]|--(?:proxy-)?user)',
    gap: String.raw`[\s=]{0,4}`,
    value: String.raw`(?!["']?\[redacted\])(?:"[^"\n]{0,4096}"?|'[^'\n]{0,4096}'?|[^\s:"']{0,200}:\S{1,4096})`,
  },
];

/** What looks like a secret; the first group is kept. The order matters: whole blocks, then lines, then words. */
const patterns: readonly RegExp[] = [
  /(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(?!\[redacted\])[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/g,
  // The end of a key whose beginning was cut off with the beginning of the output.
  /^()[\s\S]*?-----END [A-Z ]{0,30}PRIVATE KEY-----/g,
  /(\b(?:(?:set-)?cookie:|http_cookie["'\]]{0,2}\s{0,4}(?:=>|[=:](?!>)))\s{0,8})(?!\s{0,8}\[redacted\])[^\r\n]+/gi,
  new RegExp(String.raw`(\b(?:set-)?cookie${equals})${quoted}`, 'gi'),
  new RegExp(String.raw`(\b(?:proxy-)?authorization${equals})${quoted}`, 'gi'),
  new RegExp(String.raw`((?:passw(?:or)?d|passphrase|(?<![a-z])pass(?![a-z])|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)[\w-]{0,32}${equals})${quoted}`, 'gi'),
  // Of some schemes the secret stands behind a comma.
  /(\b(?:proxy-)?authorization["']?\s{0,8}[:=]\s{0,8})(?!\s{0,8}\[redacted\])(?:(?:digest|oauth|hawk)\s[^\r\n]+|[^\r\n,}]+)/gi,
  // User and password of an address, up to the last @ before a blank; but host:port/path?mail=a@b is none.
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/)(?!\[redacted\])[^\s/"'<>@:]{0,200}(?::(?!\d{1,5}[/?#])[^\s"'<>]{1,200})?(?=@)/gi,
  /(\bbearer\s{1,8})[\w.~+/=-]{6,}/gi,
  // Keys that say what they are: AWS, GitHub, GitLab, Stripe, Slack, Google, npm; then JSON Web Tokens.
  /(\b)(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
  /(\b)(?:gh[pousr]_[A-Za-z0-9]{10,255}|github_pat_\w{10,255}|glpat-[\w-]{10,255}|[spr]k_(?:live|test)_[A-Za-z0-9]{8,255}|xox[a-z]-[\w-]{10,255}|AIza[\w-]{30,255}|npm_[A-Za-z0-9]{30,255})/g,
  /(\b)eyJ[\w-]{5,2048}\.[\w-]{5,4096}(?:\.[\w-]{0,2048})?/g,
  ...programFlags.map((each) => new RegExp(String.raw`(\s${each.flag}${each.gap})(?<=\b${each.program}\b[^\n|;]{0,400})${each.value}`, 'g')),
  new RegExp(String.raw`((?<![\w-])${secretFlag}\s{1,4})(?!--)${value}`, 'gi'),
  // Redis' own words, in its configuration and on the wire; its errors ("AUTH <password> called …") are evidence.
  new RegExp(String.raw`(\b(?:requirepass|masterauth)["']?[ \t]{1,8})(?!(?:is|was|not)\b)${value}`, 'gi'),
  /(\bAUTH["']?[ \t]{1,4})(?!["']?\[redacted\]|["']?<|(?:LOGIN|PLAIN|CRAM-MD5|XOAUTH2|failed|failure|required|error|command|called|is|was|not|has)\b)\S{1,4096}(?:[ \t]{1,4}\S{1,4096})?/g,
  // PostgreSQL's, and MySQL's function.
  new RegExp(String.raw`(\bPASSWORD(?:[ \t]{1,4}|[ \t]{0,4}\([ \t]{0,4}))(?=')${value}`, 'gi'),
  new RegExp(String.raw`(\bIDENTIFIED\s{1,8}(?:WITH\s{1,8}\S{1,64}\s{1,8})?BY\s{1,8})${value}`, 'gi'),
  // define('DB_PASSWORD', 'hunter2') and DB_PASS=hunter2; but bypass=1 is none. MySQL says "(using password: YES)": the
  // word itself is evidence.
  /((?:passw(?:or)?d|passphrase|(?<![a-z])pass(?![a-z])|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)[\w-]{0,32}(?:["']?\s{0,4}(?:=>|[=:])\s{0,4}|["']\s{0,4},\s{0,4}(?=["'])))(?!>|\s{0,4}["']?\[redacted\]|(?:YES|NO)\b)(?:"[^"\n]*"?|'[^'\n]*'?|[^\s,;&)"']+)/gi,
  /([?&][^\s=&#?"'<>]{1,128}=)(?!\[redacted\])[^\s&#"'<>)]+/g,
];

/** Of longer text only the end is searched and kept; no field of a record is that long. */
const searchedLength = 65_536;

export interface Redacted<T> {
  readonly text: T;
  readonly replaced: number;
}

/** The text without what looks like a secret, and how many were replaced. Doing it twice changes nothing more. */
export function redact(text: string): Redacted<string> {
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

const flagAlone = new RegExp(`^(?:${secretFlag}|requirepass|masterauth)$`, 'i');
const flagsByProgram = programFlags.map(({ program, flag, gap }) => ({
  program: new RegExp(String.raw`(?:^|/)${program}$`),
  alone: gap === '' ? undefined : new RegExp(`^${flag}$`),
  joined: new RegExp(String.raw`^((?!--)${flag})(?!\[redacted\])[\s\S]+$`),
}));

/**
 * A command's words without the secrets that only their neighbours give away: the word behind `--password`, and what
 * is joined to mysql's `-p`. Secrets inside one word are {@link redact}'s.
 */
export function redactWords(words: readonly string[]): Redacted<readonly string[]> {
  let replaced = 0;
  const clean = words.map((word, i) => {
    const shown = redactWord(words, i);
    if (shown !== word) replaced += 1;
    return shown;
  });
  return { text: clean, replaced };
}

/** No option that takes a secret has a longer name; a longer word need not be searched. */
const longestFlag = 64;

function redactWord(words: readonly string[], i: number): string {
  const word = words[i] ?? '';
  const before = (words[i - 1] ?? '').slice(0, longestFlag + 1);
  if (word === '' || word === mark) return word;
  if (flagAlone.test(before) && !word.startsWith('--')) return mark;
  for (const { program, alone, joined } of flagsByProgram) {
    if (!words.slice(0, i).some((each) => program.test(each.slice(-longestFlag)))) continue;
    if (alone?.test(before)) return mark;
    if (joined.test(word)) return word.replace(joined, `$1${mark}`);
  }
  return isRedisPassword(words, i) ? mark : word;
}

/** `redis-cli AUTH hunter2`, `redis-cli AUTH default hunter2`. */
function isRedisPassword(words: readonly string[], i: number): boolean {
  return words.slice(0, i).some((each) => /(?:^|\/)redis-cli$/.test(each.slice(-longestFlag))) && words.slice(Math.max(0, i - 2), i).some((each) => /^auth$/i.test(each));
}
