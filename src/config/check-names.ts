/**
 * Names of services that policies and the host's limits use: each must exist, none may wait for itself, and a list of
 * names is never empty, because an empty list that somebody reads as "all" undoes what it was to limit.
 */
import { didYouMean } from './did-you-mean.ts';
import { valueAt, type ConfigProblem, type Path } from './problem.ts';
import { itemPaths, type PolicyEntry } from './written.ts';
import type { YamlDocument } from './yaml-document.ts';

export interface NamesUsed {
  readonly policies: readonly PolicyEntry[];
  /** Where the host's limits stand: in goodgateway.yaml below `safety`, or in a file of their own. */
  readonly safety: { readonly document: YamlDocument; readonly path: Path } | undefined;
  /** Whether every policy could be read by its name; if not, a name that is not found may be no mistake. */
  readonly complete: boolean;
}

/** Every name of a service that is empty, unknown, or leads back to itself. */
export function checkNames(used: NamesUsed): readonly ConfigProblem[] {
  const lists = [...used.policies.flatMap(listsOfPolicy), ...listsOfSafety(used.safety)];
  const empty = lists.filter(isEmpty).map((list) => list.document.problem(list.path, 'value', `${keyOf(list.path)}: expected at least one name; ${list.ifEmpty}`));
  return [
    ...empty,
    ...(used.complete && used.policies.every((policy) => nameOf(policy) !== undefined) ? unknown(lists, used.policies) : []),
    ...circles(used.policies, waiting),
    ...circles(used.policies, restarting),
  ];
}

interface NameList {
  readonly document: YamlDocument;
  readonly path: Path;
  /** What to write instead of an empty list. */
  readonly ifEmpty: string;
  /** Its entries are names of services; others are names of receivers. */
  readonly services: boolean;
}

function listsOfPolicy({ document, path }: PolicyEntry): readonly NameList[] {
  const list = (at: Path, ifEmpty: string, services: boolean): NameList => ({ document, path: [...path, ...at], ifEmpty, services });
  const rules = itemPaths(document, [...path, 'rules']).map((rule) => ({ document, path: [...rule, 'notify'], ifEmpty: 'remove the line where nobody else is told', services: false }));
  return [
    list(['depends_on'], 'remove the line where it depends on nothing', true),
    list(['after_recovery', 'recheck'], 'remove the line for those whose depends_on names this one', true),
    list(['after_recovery', 'restart'], 'remove the line where nothing is restarted', true),
    list(['notify', 'to'], 'somebody must be told; remove the line for ops', false),
    ...rules,
  ];
}

function listsOfSafety(safety: NamesUsed['safety']): readonly NameList[] {
  if (!safety) return [];
  const { document, path } = safety;
  return itemPaths(document, [...path, 'maintenance']).map((window) => ({ document, path: [...window, 'services'], ifEmpty: 'remove the line for all services', services: true }));
}

function isEmpty({ document, path }: NameList): boolean {
  const written = valueAt(document.value, path);
  return Array.isArray(written) && written.length === 0;
}

function unknown(lists: readonly NameList[], policies: readonly PolicyEntry[]): readonly ConfigProblem[] {
  const known = policies.flatMap((policy) => nameOf(policy) ?? []);
  return lists
    .filter(({ services }) => services)
    .flatMap(({ document, path }) =>
      itemPaths(document, path).flatMap((at) => {
        const name = valueAt(document.value, at);
        if (typeof name !== 'string' || known.includes(name)) return [];
        const meant = didYouMean(name, known);
        const hint = meant === undefined ? `; there are ${known.slice(0, 20).join(', ') || 'none'}` : `: did you mean \`${meant}\`?`;
        return [document.problem(at, 'value', `${keyOf(path)}: no policy has the name \`${name}\`${hint}`)];
      }),
    );
}

interface Relation {
  readonly field: readonly string[];
  readonly toItself: string;
  readonly inACircle: string;
}
const waiting: Relation = { field: ['depends_on'], toItself: 'it would wait for itself', inACircle: 'each would wait for the other' };
const restarting: Relation = { field: ['after_recovery', 'restart'], toItself: 'it would restart itself without end', inACircle: 'they would restart each other without end' };

/** Each circle once, at the name that closes it. */
function circles(policies: readonly PolicyEntry[], relation: Relation): readonly ConfigProblem[] {
  const edges = new Map(policies.flatMap((policy) => (nameOf(policy) === undefined ? [] : [[nameOf(policy)!, edgesOf(policy, relation.field)] as const])));
  const done = new Set<string>();
  const problems: ConfigProblem[] = [];
  const walk = (name: string, way: readonly string[]): void => {
    for (const edge of done.has(name) ? [] : (edges.get(name) ?? [])) {
      const from = [...way, name].indexOf(edge.to);
      if (from >= 0) problems.push(circle(edge, [...way, name].slice(from), relation));
      else walk(edge.to, [...way, name]);
    }
    done.add(name);
  };
  for (const name of edges.keys()) walk(name, []);
  return problems;
}

interface Edge {
  readonly to: string;
  readonly document: YamlDocument;
  readonly at: Path;
}

function edgesOf({ document, path }: PolicyEntry, field: readonly string[]): readonly Edge[] {
  return itemPaths(document, [...path, ...field]).flatMap((at) => {
    const to = valueAt(document.value, at);
    return typeof to === 'string' ? [{ to, document, at }] : [];
  });
}

function circle({ to, document, at }: Edge, way: readonly string[], { toItself, inACircle }: Relation): ConfigProblem {
  const why = way.length === 1 ? `\`${to}\` is this service itself: ${toItself}` : `this closes a circle, ${[...way, to].join(' → ')}: ${inACircle}`;
  return document.problem(at, 'value', `${keyOf(at)}: ${why}`);
}

function nameOf({ document, path }: PolicyEntry): string | undefined {
  const name = valueAt(document.value, [...path, 'name']);
  return typeof name === 'string' ? name : undefined;
}

function keyOf(path: Path): string {
  return String(path.findLast((part) => typeof part === 'string'));
}
