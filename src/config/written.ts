import { valueAt, type Path } from './problem.ts';
import type { YamlDocument } from './yaml-document.ts';

/** One policy as it was written, right or wrong. */
export interface PolicyEntry {
  readonly document: YamlDocument;
  /** Where in the document it begins. */
  readonly path: Path;
}

/** The places of a list's entries, as they were written; none where there is no list. */
export function itemPaths(document: YamlDocument, list: Path): readonly Path[] {
  const items = valueAt(document.value, list);
  return Array.isArray(items) ? items.map((_, i) => [...list, i]) : [];
}

/** The places of one value, or of a list of values: for fields that take either. */
export function oneOrManyPaths(document: YamlDocument, path: Path): readonly Path[] {
  return Array.isArray(valueAt(document.value, path)) ? itemPaths(document, path) : [path];
}

/** The texts at a field that takes one or many; whatever is no text is passed over. */
export function textsAt(document: YamlDocument, path: Path): readonly string[] {
  return oneOrManyPaths(document, path)
    .map((at) => valueAt(document.value, at))
    .filter((value) => typeof value === 'string');
}

/** The places of the gateways of a goodgateway.yaml. */
export function gatewayPaths(host: YamlDocument): readonly Path[] {
  const gateways = valueAt(host.value, ['gateways']);
  const isMapping = typeof gateways === 'object' && gateways !== null && !Array.isArray(gateways);
  return isMapping ? Object.keys(gateways).map((name) => ['gateways', name]) : [];
}
