import { resolve } from 'node:path';
import { checkReferences } from './check-references.ts';
import { hostSchema, type HostConfig } from './host-schema.ts';
import { sortProblems, type ConfigProblem } from './problem.ts';
import { readConfigFile } from './read-config-file.ts';
import { validate } from './validate.ts';
import type { YamlDocument } from './yaml-document.ts';

/** goodgateway.yaml as it was read. */
export interface LoadedHost {
  readonly ok: true;
  readonly host: HostConfig;
  /** Where each key stands. */
  readonly document: YamlDocument;
  /** Of its bytes, hexadecimal. */
  readonly sha256: string;
}

/**
 * Only goodgateway.yaml, for the proxy: it neither needs the policies nor, as another user, may read them.
 * The healer and `check` load the whole, so a mistake in a policy is found there.
 */
export async function loadHost(file: string): Promise<LoadedHost | { readonly ok: false; readonly problems: readonly ConfigProblem[] }> {
  const read = await readConfigFile(resolve(file));
  const document = read.documents[0];
  if (!document || read.problems.length > 0) return { ok: false, problems: read.problems };
  const host = validate(hostSchema, document.value);
  const findings = host.ok ? [] : host.findings.map((finding) => document.problem(finding.path, finding.at, finding.message));
  const problems = [...findings, ...checkReferences({ host: document, policies: [], complete: false })];
  return host.ok && problems.length === 0 ? { ok: true, host: host.value, document, sha256: read.sha256 } : { ok: false, problems: sortProblems(problems) };
}
