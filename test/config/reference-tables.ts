/**
 * The tables of docs/configuration.md, made from the schemas that the loader obeys: every key with how it is written,
 * its default and its meaning. A key without a description is an error: the page would say nothing about it.
 */
import { z } from 'zod';
import { failureKinds } from '../../src/core/failure.ts';
import { symptomGroups } from '../../src/config/policy-schema.ts';

type Schema = z.core.JSONSchema.JSONSchema;

interface Row {
  readonly key: string;
  readonly written: string;
  readonly default: string;
  readonly meaning: string;
}

/** One table of all keys, and a sentence that lists those which are refused. */
export function keyTable(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
  const rows = rowsBelow('', [json]);
  const undescribed = rows.filter((row) => row.meaning === '').map((row) => row.key);
  if (undescribed.length > 0) throw new Error(`no description: ${undescribed.join(', ')}`);
  const isRefused = (row: Row) => /^Not built in this version|^Refused/.test(row.meaning);
  const lines = rows.filter((row) => !isRefused(row)).map((row) => `| \`${row.key}\` | ${row.written} | ${row.default === '' ? '' : `\`${row.default}\``} | ${row.meaning} |`);
  const refused = rows.filter(isRefused).map((row) => `\`${row.key}\``);
  return ['| key | written as | default | meaning |', '|---|---|---|---|', ...lines, ...(refused.length > 0 ? ['', `Known and refused by this version: ${refused.join(', ')}.`] : []), ''].join('\n');
}

/** Every name that `detect` takes. */
export function symptomList(): string {
  const groups = Object.entries(symptomGroups).map(([name, kinds]) => `- \`${name}\`: ${kinds.map((kind) => `\`${kind}\``).join(', ')}`);
  return [...groups, "- `status_5xx`: the application's own errors, which are passed on untouched", `- each by itself: ${failureKinds.map((kind) => `\`${kind}\``).join(', ')}`, ''].join('\n');
}

/** The keys of all forms of a map; a key that not every form has says in which it is. */
function rowsBelow(path: string, forms: readonly Schema[]): readonly Row[] {
  const open = forms.filter((form) => !isRefusedForm(form));
  const keys = [...new Set(open.flatMap((form) => Object.keys(form.properties ?? {})))];
  return keys.flatMap((key) => {
    const holders = open.filter((form) => form.properties?.[key] !== undefined);
    const schemas = holders.map((form) => form.properties![key] as Schema);
    const types = holders.map((form) => (form.properties!['type'] as Schema | undefined)?.const).filter((type) => typeof type === 'string');
    const only = types.length > 0 && holders.length < open.length ? `Only ${types.join(', ')}. ` : '';
    // Of forms without a type, such as the checks, one is chosen: none is required.
    const isChoice = types.length === 0 && holders.length < open.length;
    const required = !isChoice && holders.every((form) => form.required?.includes(key));
    const differ = new Set(schemas.map((schema) => schema.description)).size > 1 && types.length === schemas.length;
    const each = differ && key !== 'type' ? schemas.map((schema, i) => `${types[i]}: ${lower(schema.description ?? '')}`).join(' ') : undefined;
    return rowsOf(path === '' ? key : `${path}.${key}`, schemas, { only: each === undefined ? only : '', required, each });
  });
}

function rowsOf(key: string, schemas: readonly Schema[], { only, required, each }: { only: string; required: boolean; each: string | undefined }): readonly Row[] {
  const [first = {}] = schemas;
  const isTag = schemas.length > 1 && schemas.every((schema) => schema.const !== undefined);
  const meaning = isTag ? schemas.map((schema) => `${schema.const}: ${lower(schema.description ?? '')}`).join(' ') : (each ?? first.description ?? '');
  const written = isTag ? schemas.map((schema) => `\`${schema.const}\``).join(', ') : shape(first);
  const row: Row = { key, written: required ? `${written}; required` : written, default: shown(first.default), meaning: `${only}${meaning}` };
  return [meaning === '' ? { ...row, meaning: '' } : row, ...inside(key, first)];
}

function inside(key: string, schema: Schema): readonly Row[] {
  if (schema.properties) return rowsBelow(key, [schema]);
  const options = optionsOf(schema);
  const own = options.filter((option) => option.properties);
  // One, or a list of them: the one says it all.
  const lists = options.filter((option) => option.items && own.length === 0);
  const each = options.length === 0 && schema.items ? (schema.items as Schema) : undefined;
  const values = typeof schema.additionalProperties === 'object' && !schema.title ? schema.additionalProperties : undefined;
  return [
    ...(own.length > 0 ? rowsBelow(key, own) : []),
    ...lists.flatMap((list) => inside(`${key}[]`, list.items as Schema)),
    ...(each ? inside(`${key}[]`, each) : []),
    ...(values ? inside(`${key}.NAME`, values) : []),
  ];
}

function shape(schema: Schema): string {
  if (schema.title) return schema.title;
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum) return schema.enum.map((word) => `\`${String(word)}\``).join(', ');
  const options = optionsOf(schema).filter((option) => !isRefusedForm(option));
  const list = options.find((option) => option.items && !option.title);
  if (options.length === 2 && list) return `${shape(list.items as Schema)}, or a list of them`;
  if (options.length > 0) return [...new Set(options.map(shape))].join(' or ');
  if (schema.type === 'array') return `list: ${shape((schema.items ?? {}) as Schema)}`;
  if (schema.type === 'integer') return 'whole number';
  if (schema.type === 'boolean') return '`true`, `false`';
  if (schema.type === 'string') return 'text';
  return schema.type === 'object' ? 'keys below' : String(schema.type ?? 'anything');
}

function optionsOf(schema: Schema): readonly Schema[] {
  return (schema.anyOf ?? schema.oneOf ?? []) as readonly Schema[];
}

function isRefusedForm(schema: Schema): boolean {
  return schema.description?.startsWith('Not built') ?? false;
}

/** As it would stand in the file; nothing for a map whose keys have defaults of their own. */
function shown(value: unknown): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = Object.entries(value).map(([key, each]) => `${key}: ${shown(each)}`);
  return inner.length === 0 ? '' : `{ ${inner.join(', ')} }`;
}

function lower(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
