/** How many columns of a terminal a text takes, and texts that take no more than there are. */

const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
/** Two columns each: East Asian Wide and Fullwidth, and emoji. @see https://www.unicode.org/reports/tr11/ */
const twoColumns =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;

/** Columns of a text without control characters. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += columnsOf(character);
  return width;
}

/** The text, cut with `…` where it takes more than `columns`. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  return columns < 1 ? '' : `${head(text, columns - 1)}…`;
}

/** In exactly `columns`: cut, or blanks added on the other side. */
export function pad(text: string, columns: number, side: 'left' | 'right' = 'left'): string {
  const fitted = cut(text, columns);
  const blanks = ' '.repeat(Math.max(0, columns - widthOf(fitted)));
  return side === 'left' ? fitted + blanks : blanks + fitted;
}

/** In at most `most` lines of at most `columns`, broken at blanks; the last is cut where there is more. */
export function wrapTo(text: string, columns: number, most: number): readonly string[] {
  const lines: string[] = [];
  let rest = text.trim();
  while (rest !== '' && lines.length < most - 1 && widthOf(rest) > columns) {
    const whole = head(rest, columns);
    const blank = rest[whole.length] === ' ' ? whole.length : whole.lastIndexOf(' ');
    const end = blank > 0 ? blank : Math.max(1, whole.length);
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return rest === '' || most < 1 ? lines : [...lines, cut(rest, columns)];
}

function columnsOf(character: string): number {
  return zeroWidth.test(character) ? 0 : twoColumns.test(character) ? 2 : 1;
}

/** As much of the beginning as fits. */
function head(text: string, columns: number): string {
  let [end, width] = [0, 0];
  for (const character of text) {
    width += columnsOf(character);
    if (width > columns) break;
    end += character.length;
  }
  return text.slice(0, end);
}
