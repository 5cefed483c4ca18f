/** One setting of a unit: its name, and its value as systemd reads it. */
export type Setting = readonly [name: string, value: string];

/** A comment, a setting, or `[name, undefined]` where a setting is not wanted here. */
export type UnitLine = string | Setting | readonly [name: string, value: undefined];

/** The text of a unit: sections of comments (`# …`) and settings, in their order. Empty sections are left out. */
export function unitText(sections: Readonly<Record<string, readonly UnitLine[]>>): string {
  const texts = Object.entries(sections).flatMap(([section, lines]) => {
    const written = lines.flatMap((line) => (typeof line === 'string' ? [line] : line[1] === undefined ? [] : [`${line[0]}=${line[1]}`]));
    return written.length === 0 ? [] : [[`[${section}]`, ...written, ''].join('\n')];
  });
  return texts.join('\n');
}

/** One path or word of a list, with what systemd would read as something else. @see systemd.syntax(7) */
export function unitWord(word: string): string {
  const plain = word.replaceAll('%', '%%');
  return /[\s"'\\;]/.test(plain) ? `"${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : plain;
}

/** A command line: besides, nothing of it is taken for a variable. */
export function unitCommand(argv: readonly string[]): string {
  return argv.map((word) => unitWord(word).replaceAll('$', '$$$$')).join(' ');
}
