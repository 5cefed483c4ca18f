/**
 * The sentences of the fallback answer in one language: a text file that a translator edits without knowing any code.
 * A line is `name: sentence`; there is no escaping, no continuation, no nesting. Read at start, never at a request.
 */
import { didYouMean } from './did-you-mean.ts';
import type { ConfigProblem } from './problem.ts';

/** Each sentence, with the one value that may stand in it. What they are for: fallback/README.md. */
const sentences = {
  title: undefined,
  unavailable: undefined,
  slow: undefined,
  busy: undefined,
  incomplete: undefined,
  quarantined: undefined,
  repairing: undefined,
  repaired_soon: undefined,
  stopped: undefined,
  told: undefined,
  time: 'duration',
  longer: undefined,
  refresh: 'duration',
  seconds: 'number',
  minutes: 'number',
  processed: undefined,
  not_processed: undefined,
  send_again: undefined,
  help: undefined,
  contact: undefined,
} as const;

export type TextKey = keyof typeof sentences;
export const textKeys = Object.keys(sentences).filter(isTextKey);

export type Texts = Readonly<Record<TextKey, string>>;

/** What one file says, which may be only some of the sentences. */
export interface WrittenTexts {
  readonly direction?: 'ltr' | 'rtl';
  readonly texts: Readonly<Partial<Record<TextKey, string>>>;
}

/** Reads one file's text. With a problem the file is not to be used. */
export function parseTexts(file: string, text: string): { readonly written: WrittenTexts; readonly problems: readonly ConfigProblem[] } {
  const texts: Partial<Record<TextKey, string>> = {};
  const problems: ConfigProblem[] = [];
  let direction: 'ltr' | 'rtl' | undefined;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const wrong = (column: number, message: string): void => void problems.push({ file, line: index + 1, column, message, path: '' });
    const colon = line.indexOf(':');
    const key = line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    if (colon < 0) wrong(1, 'expected `name: sentence`, and there is no colon; a sentence may not go on in the next line');
    else if (key === 'direction' && (value === 'ltr' || value === 'rtl')) direction = value;
    else if (key === 'direction') wrong(colon + 2, 'direction: expected ltr or rtl');
    else if (!isTextKey(key)) wrong(1, unknownKey(key));
    else if (texts[key] !== undefined) wrong(1, `${key}: it is there twice`);
    else if (value === '') wrong(colon + 2, `${key}: expected a sentence after the colon; leave the line out for the usual one`);
    else {
      const problem = wrongBraces(key, value);
      if (problem !== undefined) wrong(line.indexOf('{{') + 1 || colon + 2, problem);
      texts[key] = value;
    }
  }
  return { written: { ...(direction === undefined ? {} : { direction }), texts }, problems };
}

/** A sentence with its one value in it. */
export function fillText(text: string, value: string): string {
  return text.replace(/\{\{[^{}]*\}\}/g, () => value);
}

function isTextKey(key: string): key is TextKey {
  return Object.hasOwn(sentences, key);
}

function unknownKey(key: string): string {
  const meant = didYouMean(key, [...textKeys, 'direction']);
  return `there is no sentence \`${key.slice(0, 64)}\`: ${meant === undefined ? `expected one of ${textKeys.join(', ')}` : `did you mean \`${meant}\`?`}`;
}

function wrongBraces(key: TextKey, value: string): string | undefined {
  const allowed = sentences[key];
  const rest = allowed === undefined ? value : value.replace(new RegExp(`\\{\\{\\s*${allowed}\\s*\\}\\}`, 'g'), '');
  if (rest.includes('{{') || rest.includes('}}')) return `${key}: ${allowed === undefined ? 'no {{…}} has a meaning here' : `the only one that has a meaning here is {{${allowed}}}`}`;
  return allowed !== undefined && rest === value ? `${key}: expected {{${allowed}}} in it` : undefined;
}
