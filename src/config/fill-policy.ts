import { parseDocument } from 'yaml';

/** The text of a policy with other values at the given places; comments stay. For `goodgateway demo` and `init`. */
export function fillPolicy(text: string, values: readonly { readonly path: readonly string[]; readonly value: unknown }[]): string {
  const document = parseDocument(text);
  for (const { path, value } of values) document.setIn(path, document.createNode(value));
  return document.toString({ lineWidth: 0 });
}
