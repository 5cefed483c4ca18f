/**
 * Plain values → typed values, or the mistakes. The schema library reports every branch of a union and both halves of
 * a misspelt required key; people made one mistake, so here each mistake becomes one finding.
 */
import { z } from 'zod';
import { didYouMean } from './did-you-mean.ts';
import { expectedText, shownValue } from './issue-text.ts';
import { formatPath, valueAt, type Path } from './problem.ts';

type Issue = z.core.$ZodIssue;

/** One mistake, with its place inside the value. */
export interface Finding {
  readonly path: Path;
  readonly at: 'key' | 'value';
  readonly message: string;
}

/** The typed value, or every mistake in it, one finding each. */
export function validate<T extends z.ZodType>(schema: T, value: unknown): { readonly ok: true; readonly value: z.output<T> } | { readonly ok: false; readonly findings: readonly Finding[] } {
  const allowed = new WeakMap<readonly string[], readonly string[]>();
  const parsed = schema.safeParse(value, {
    error: (issue) => {
      // The finished issue keeps the list of unknown keys but not the schema that knows the right ones.
      if (issue.code === 'unrecognized_keys' && issue.inst instanceof z.ZodObject) allowed.set(issue.keys, Object.keys(issue.inst.shape));
      return expectedText(issue);
    },
  });
  if (parsed.success) return { ok: true, value: parsed.data };
  const context: Context = { root: value, allowedKeys: (keys) => allowed.get(keys) ?? [], misspelt: new Set() };
  const findings = parsed.error.issues.flatMap((issue) => explain(issue, [], context));
  return { ok: false, findings: findings.filter((finding) => !context.misspelt.has(formatPath(finding.path))) };
}

interface Context {
  readonly root: unknown;
  readonly allowedKeys: (unknown: readonly string[]) => readonly string[];
  /** Paths of keys that an unknown key probably meant: their absence is the same mistake. */
  readonly misspelt: Set<string>;
}

function explain(issue: Issue, prefix: Path, context: Context): readonly Finding[] {
  const path: Path = [...prefix, ...issue.path.filter((part) => typeof part !== 'symbol')];
  const value = valueAt(context.root, path);
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue.keys, { path, allowed: context.allowedKeys(issue.keys) }, context);
  if (issue.code === 'invalid_key') return [{ path, at: 'key', message: `\`${path.at(-1)}\`: ${issue.issues[0]?.message ?? issue.message}` }];
  if (issue.code === 'custom') return [{ path, at: issue.params?.['at'] === 'key' ? 'key' : 'value', message: `${label(path)}${issue.message}` }];
  if (value === undefined) return [{ path, at: 'key', message: missing(path, issue) }];
  if (issue.code === 'invalid_union') return explainUnion(issue, path, context);
  return [{ path, at: 'value', message: wrong(path, value, issue) }];
}

function unknownKeys(keys: readonly string[], known: { readonly path: Path; readonly allowed: readonly string[] }, context: Context): readonly Finding[] {
  return keys.map((key) => {
    const meant = didYouMean(key, known.allowed);
    if (meant !== undefined) context.misspelt.add(formatPath([...known.path, meant]));
    const hint = meant === undefined ? `allowed here: ${known.allowed.join(', ')}` : `did you mean \`${meant}\`?`;
    return { path: [...known.path, key], at: 'key', message: `unknown key \`${key}\`: ${hint}` };
  });
}

/** The branch that the writer most probably meant speaks; where none stands out, the union's own words do. */
function explainUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, context: Context): readonly Finding[] {
  const value = valueAt(context.root, path);
  const best = Math.max(0, ...issue.errors.map(fit));
  const fitting = issue.errors.filter((branch) => fit(branch) === best);
  if (best === 2 && isMapping(value)) return explainForms(fitting, path, context);
  const spoken = best === 2 || issue.message === '' ? fitting.at(0) : undefined;
  if (spoken) return spoken.flatMap((inner) => explain(inner, path, context));
  const values = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_value' ? inner.values : []));
  const options = 'options' in issue && Array.isArray(issue.options) ? issue.options : [];
  return [{ path, at: 'value', message: wrong(path, value, { message: issue.message, values: [...values, ...options] }) }];
}

/** Several forms of a map: the one that knows most of the written keys is meant, of equals the one that knows the first. */
function explainForms(branches: readonly (readonly Issue[])[], path: Path, context: Context): readonly Finding[] {
  const written = Object.keys(valueAt(context.root, path) as object);
  const unknownIn = (branch: readonly Issue[]) => branch.flatMap((inner) => (inner.code === 'unrecognized_keys' && inner.path.length === 0 ? inner.keys : []));
  const firstKnown = (branch: readonly Issue[]) => written.findIndex((key) => !unknownIn(branch).includes(key));
  const nearest = branches.toSorted((a, b) => unknownIn(a).length - unknownIn(b).length || firstKnown(a) - firstKnown(b))[0] ?? [];
  if (branches.length === 1 || unknownIn(nearest).length < written.length) return nearest.flatMap((inner) => explain(inner, path, context));
  const allowed = branches.flatMap((branch) => branch.flatMap((inner) => (inner.code === 'unrecognized_keys' ? context.allowedKeys(inner.keys) : [])));
  return unknownKeys(written, { path, allowed }, context);
}

/** 0: another type altogether; 1: the right type, another value; 2: the right form with a mistake inside. */
function fit(branch: readonly Issue[]): 0 | 1 | 2 {
  const own = branch.filter((inner) => inner.path.length === 0);
  if (own.some((inner) => inner.code === 'invalid_type')) return 0;
  return own.some((inner) => inner.code === 'invalid_value') ? 1 : 2;
}

function missing(path: Path, issue: { readonly message: string }): string {
  return `missing key \`${path.at(-1) ?? ''}\`${issue.message === '' ? '' : `: ${issue.message}`}`;
}

function wrong(path: Path, value: unknown, issue: { readonly message: string; readonly values?: readonly unknown[] }): string {
  // The schema quoted the value itself, or the field is refused whatever its value.
  if (/did you mean|, got |^not yet|remove it/.test(issue.message)) return `${label(path)}${issue.message}`;
  const meant = typeof value === 'string' ? didYouMean(value, (issue.values ?? []).map(String)) : undefined;
  return `${label(path)}${issue.message}, got ${shownValue(value)}${meant === undefined ? '' : `: did you mean \`${meant}\`?`}`;
}

function label(path: Path): string {
  const key = path.findLast((part) => typeof part === 'string');
  return key === undefined ? '' : `${key}: `;
}

function isMapping(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
