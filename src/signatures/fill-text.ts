import type { Fields } from './match-pattern.ts';

/**
 * The words of an entry with the fields of a line: `{socket}`; `{socket,upstream|the upstream}` is the first that is
 * known, else the words. Without words an unknown field becomes a dash.
 */
export function fillText(text: string, fields: Fields): string {
  return text.replaceAll(/\{([a-z_,]+)(?:\|([^}]*))?\}/g, (_all, names: string, words: string | undefined) => {
    const known = names.split(',').find((name) => fields[name] !== undefined);
    return known === undefined ? (words ?? '–') : String(fields[known]);
  });
}

/** The same, or nothing where a field without words is not known. */
export function fillIfKnown(text: string, fields: Fields): string {
  const needed = [...text.matchAll(/\{([a-z_,]+)\}/g)].map(([, names = '']) => names.split(','));
  return needed.every((names) => names.some((name) => fields[name] !== undefined)) ? fillText(text, fields) : '';
}
