const quoteLength = 200;
/** The time in front of a message, in whatever form; what follows is the message. */
const leadingTime = /^.{0,80}?\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:[+-]\d{2}:?\d{2}|Z| UTC)?(?: \d{4})?\]? ?/;

/** A line as it is quoted to people: without the time before the message, without queries, bounded. */
export function quoteOf(text: string): string {
  const message = withoutQueries(text.replace(leadingTime, ''));
  const shown = message === '' ? text : message;
  return shown.length > quoteLength ? `${shown.slice(0, quoteLength)}…` : shown;
}

/** Addresses without what follows the question mark: visitors send secrets there. */
export function withoutQueries(text: string): string {
  return text.replaceAll(/(?<=\S)\?(?=[^\s"')]{0,200}=)[^\s"')]{1,4000}/g, '?…');
}
