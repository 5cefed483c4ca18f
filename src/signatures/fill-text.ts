import { commandWord } from '../core/command-word.ts';
import type { Fields } from './match-pattern.ts';

/**
 * The words of an entry with the fields of a line: `{socket}`; `{socket,upstream|the upstream}` is the first that is
 * known, else the words. Without words an unknown field becomes a dash. Between backticks stands a command, so what a
 * shell would not read as a plain word becomes the words there, or the field's name in capitals.
 */
export function fillText(text: string, fields: Fields): string {
  // every second piece was between backticks
  return text
    .split('`')
    .map((piece, index) => filled(piece, fields, index % 2 === 1))
    .join('`');
}

function filled(text: string, fields: Fields, isCommand: boolean): string {
  return text.replaceAll(/\{([a-z_,]+)(?:\|([^}]*))?\}/g, (_all, names: string, words: string | undefined) => {
    const [first = '', ...more] = names.split(',');
    const known = [first, ...more].find((name) => fields[name] !== undefined);
    const placeholder = words ?? (isCommand ? first.toUpperCase() : '–');
    if (known === undefined) return placeholder;
    return isCommand ? commandWord(String(fields[known]), placeholder) : String(fields[known]);
  });
}

/** The same, or nothing where a field without words is not known. */
export function fillIfKnown(text: string, fields: Fields): string {
  const needed = [...text.matchAll(/\{([a-z_,]+)\}/g)].map(([, names = '']) => names.split(','));
  return needed.every((names) => names.some((name) => fields[name] !== undefined)) ? fillText(text, fields) : '';
}
