import { shippedSignatures, withOwn } from '../config/load-signatures.ts';
import type { SignatureEntry } from '../config/signature-schema.ts';
import { compileSignatures, type SignatureTable } from '../signatures/compile.ts';

let made: { readonly own: readonly SignatureEntry[]; readonly table: Promise<SignatureTable> } | undefined;
const none: readonly SignatureEntry[] = [];

/**
 * The table of what comes with goodgateway and of an administrator's own entries. Made when it is first needed, which
 * takes some tenths of a second, and kept until other entries are asked for.
 */
export function tableWith(own: readonly SignatureEntry[] = none): Promise<SignatureTable> {
  if (made?.own !== own) made = { own, table: shippedSignatures().then((shipped) => compileSignatures(withOwn(shipped, own))) };
  return made.table;
}

let families: Promise<ReadonlySet<string>> | undefined;

/** The families that come with goodgateway: what no cause reads is an administrator's own. */
export function shippedFamilies(): Promise<ReadonlySet<string>> {
  return (families ??= shippedSignatures().then((shipped) => new Set(shipped.map(({ id }) => familyOf(id)))));
}

/** `bind_failed` of `bind_failed.nginx`: what causes ask for. */
export function familyOf(id: string): string {
  return id.split('.')[0] ?? id;
}
