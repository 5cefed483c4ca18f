/**
 * A value as one word of a command that a person may paste into a root shell; the placeholder instead where a shell would
 * read more than a plain word there, or a program an option: names and paths of log lines are whatever somebody wrote.
 */
export function commandWord(value: string, placeholder: string): string {
  return /^[\w@%+=:,./][\w@%+=:,./-]*$/.test(value) ? value : placeholder;
}

/** A word as it is typed into a shell, whatever it holds: of commands that are our own configuration's. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
