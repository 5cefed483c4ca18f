/**
 * The language in which a kind of log line is written down: literals with typed fields. A regular expression from a
 * file could keep a healer busy for ever; this cannot say anything that is not found in linear time.
 */

/** `int`: digits; `number`: digits with a decimal part; `word`: no blank; `text`: whatever stands before the next literal. */
export type FieldType = 'int' | 'number' | 'word' | 'text';

export interface PatternField {
  readonly name: string;
  readonly type: FieldType;
}

/** `literals[0] field[0] literals[1] field[1] …`: always one literal more than fields; the last may be empty. */
export interface SignaturePattern {
  /** A field before the first literal: the word that ends there. */
  readonly lead: PatternField | undefined;
  readonly literals: readonly string[];
  readonly fields: readonly PatternField[];
}

/** Shorter literals would be found in every second line. */
const shortestAnchor = 5;
const fieldForm = /^\{([a-z][a-z_]*)(?::(int|number|word))?\}/;

/**
 * `connect() to unix:{socket} failed ({errno:int}:` as its parts, or what is wrong with it. A `{` that no letter follows
 * stands for itself. Every run of blanks is one blank: the lines are read so, too.
 */
export function parsePattern(text: string): SignaturePattern | string {
  const literals: string[] = [''];
  const fields: PatternField[] = [];
  let rest = text.replaceAll(/[ \t]+/g, ' ');
  while (rest !== '') {
    const field = fieldForm.exec(rest);
    if (!field && /^\{[a-z]/.test(rest)) return `expected {name}, {name:int}, {name:number} or {name:word}, got ${rest.slice(0, 20)}`;
    if (field) {
      fields.push({ name: field[1]!, type: asType(field[2]) });
      literals.push('');
    } else {
      literals[literals.length - 1] += rest[0]!;
    }
    rest = rest.slice(field ? field[0].length : 1);
  }
  return checked(literals, fields);
}

/** The longest literal: what a line is first searched for. */
export function anchorOf({ literals }: SignaturePattern): string {
  return literals.reduce((longest, literal) => (literal.length > longest.length ? literal : longest), '');
}

/** The names of all fields. */
export function fieldsOf({ lead, fields }: SignaturePattern): readonly string[] {
  return [...(lead ? [lead.name] : []), ...fields.map((field) => field.name)];
}

function asType(written: string | undefined): FieldType {
  return written === 'int' || written === 'number' || written === 'word' ? written : 'text';
}

function checked(literals: readonly string[], fields: readonly PatternField[]): SignaturePattern | string {
  const [lead, ...others] = fields;
  const pattern = literals[0] === '' && lead ? { lead, literals: literals.slice(1), fields: others } : { lead: undefined, literals, fields };
  const between = pattern.literals.slice(0, -1);
  if (between.includes('')) return 'expected a literal between two fields: nobody could say where the first ends';
  if (anchorOf(pattern).length < shortestAnchor) return `expected at least ${shortestAnchor} characters in a row that stand for themselves`;
  const names = fieldsOf(pattern);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  return twice === undefined ? pattern : `the field {${twice}} is there twice`;
}
