/**
 * What a bundle holds: all that is known of one incident, for somebody who cannot look at the machine. Every text is
 * searched for secrets once more, whoever wrote it. What is too large, unreadable or strange is left out and named.
 */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { arch, cpus, hostname, release, totalmem, uptime } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { findPolicyFiles } from '../config/find-policy-files.ts';
import type { HostConfig } from '../config/host-schema.ts';
import { productVersion } from '../config/product-version.ts';
import type { AuditFile } from '../healer/audit/files.ts';
import type { IncidentStory } from '../healer/audit/find-incident.ts';
import { readRecords } from '../healer/audit/query.ts';
import type { AuditRecord } from '../healer/audit/record.ts';
import { readRegularText } from '../healer/probes/read-regular-file.ts';
import { tellIncident } from './incident-story.ts';
import { redactConfiguration, redactFile, redactRecord } from './redact-file.ts';
import { longestName, type TarMember } from './tar-archive.ts';

export interface BundleSource {
  readonly story: IncidentStory;
  readonly files: readonly AuditFile[];
  /** `undefined`: nobody said which host it is, or its configuration has mistakes. */
  readonly host: { readonly file: string; readonly host: HostConfig } | undefined;
}

export interface BundleContents {
  readonly members: readonly BundleMember[];
  readonly leftOut: readonly { readonly name: string; readonly why: string }[];
}

export interface BundleMember extends TarMember {
  /** How many secrets were replaced in it. */
  readonly secrets: number;
  /** Of the file's text before that; what the records call a policy's hash. */
  readonly originalSha256?: string;
}

/** One file of more than this is left out, and everything that would make the bundle longer than that. */
const largestFile = 4 * 1024 ** 2;
const largestBundle = 32 * 1024 ** 2;
const mostFiles = 500;

/** In a fixed order. Rejects only when the log cannot be read. */
export async function bundleMembers(source: BundleSource): Promise<BundleContents> {
  const collected = new Collected();
  await addRecords(source, collected);
  const cleaned = cleanRecords(source.story);
  const told = tellIncident(cleaned.story, { all: true }).map(stripVTControlCharacters).join('\n');
  collected.add('story.txt', `${told}\n`, cleaned.replaced);
  collected.add('host.json', `${JSON.stringify(hostFacts(), undefined, 2)}\n`);
  const { host } = source;
  if (!host) collected.leave('configuration, evidence, doctor.json', 'no configuration could be read');
  if (host) {
    await addConfiguration(host, collected);
    await addEvidence(join(host.host.state, 'evidence', source.story.id), collected);
    collected.addFile('doctor.json', join(host.host.state, 'doctor.json'), redactFile);
  }
  return collected;
}

class Collected implements BundleContents {
  readonly members: BundleMember[] = [];
  readonly leftOut: { readonly name: string; readonly why: string }[] = [];
  #bytes = 0;

  add(name: string, text: string, secrets = 0, originalSha256?: string): void {
    const bytes = Buffer.from(text);
    // A part of the name is the archive's own folder.
    if (Buffer.byteLength(name) > longestName - 40) return this.leave(name, 'its name is too long for the archive');
    if (this.members.some((member) => member.name === name)) return this.leave(name, 'another file has the same name in the bundle');
    if (this.members.length >= mostFiles) return this.leave(name, `the bundle has ${mostFiles} files already`);
    if (this.#bytes + bytes.length > largestBundle) return this.leave(name, `the bundle would be larger than ${largestBundle / 1024 ** 2} MiB`);
    this.#bytes += bytes.length;
    this.members.push({ name, bytes, secrets, ...(originalSha256 === undefined ? {} : { originalSha256 }) });
  }

  addFile(name: string, path: string, clean: typeof redactFile): void {
    const text = readRegularText(path, largestFile);
    if (text === undefined) return this.leave(name, `${path} is not there, cannot be read, is no regular file, or is larger than ${largestFile / 1024 ** 2} MiB`);
    const found = clean(text);
    this.add(name, found.text, found.replaced, createHash('sha256').update(text).digest('hex'));
  }

  leave(name: string, why: string): void {
    if (this.leftOut.length < mostFiles) this.leftOut.push({ name, why });
  }
}

/** Before the story is told: its lines end in the middle of what would look like a secret. */
function cleanRecords(story: IncidentStory): { readonly story: IncidentStory; readonly replaced: number } {
  let replaced = 0;
  const records = story.records.map((record): AuditRecord => {
    const found = redactRecord(JSON.stringify(record));
    replaced += found.replaced;
    return found.replaced === 0 ? record : JSON.parse(found.text);
  });
  return { story: { ...story, records }, replaced };
}

/** The lines as they stand in the log, so that their hashes can be compared, unless a secret was found in one. */
async function addRecords({ story, files }: BundleSource, collected: Collected): Promise<void> {
  const [first, last] = [story.records[0], story.records.at(-1)];
  if (!first || !last) return;
  const lines: string[] = [];
  let secrets = 0;
  // The clock may have been set back meanwhile.
  const sinceMs = story.records.reduce((earliest, { ts }) => Math.min(earliest, Date.parse(ts)), Infinity);
  for await (const { line, record } of readRecords(files, { incidents: new Set([story.id]), sinceMs, useIndex: !story.isIndexWrong })) {
    if (record.seq < first.seq || record.seq > last.seq) continue;
    const found = redactRecord(line);
    lines.push(found.text);
    secrets += found.replaced;
  }
  if (story.leftOut > 0) collected.leave('incident.ndjson', `the oldest ${story.leftOut} records of this incident`);
  if (story.notUnderstood > 0) collected.leave('incident.ndjson', `${story.notUnderstood} of its records, which this version does not understand`);
  collected.add('incident.ndjson', `${lines.join('\n')}\n`, secrets);
}

async function addConfiguration({ file, host }: NonNullable<BundleSource['host']>, collected: Collected): Promise<void> {
  collected.addFile(`configuration/${basename(file)}`, file, redactConfiguration);
  const patterns = [...host.policies, ...(typeof host.safety === 'string' ? [host.safety] : [])];
  const found = await Promise.all(patterns.map((pattern) => findPolicyFiles(dirname(file), pattern)));
  for (const path of [...new Set(found.flat())].toSorted()) collected.addFile(`configuration/${basename(dirname(path))}/${basename(path)}`, path, redactConfiguration);
}

/** The folder's name is made of the incident's id, never of what a record says. */
async function addEvidence(folder: string, collected: Collected): Promise<void> {
  const captures = await namesIn(folder);
  if (captures.length === 0) collected.leave('evidence', `nothing is kept in ${folder}, or this user may not see it`);
  for (const capture of captures) {
    for (const name of await namesIn(join(folder, capture))) collected.addFile(`evidence/${capture}/${name}`, join(folder, capture, name), redactFile);
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  // best effort: what is not there is said
  return (await readdir(folder).catch(() => [])).toSorted().slice(0, mostFiles);
}

function hostFacts(): object {
  const os = /^PRETTY_NAME="?([^"\n]+)/m.exec(readRegularText('/etc/os-release', 65_536) ?? '')?.[1] ?? 'unknown';
  return {
    host: hostname(),
    goodgateway: productVersion(),
    node: process.versions.node,
    os,
    kernel: release(),
    architecture: arch(),
    processors: cpus().length,
    memory_bytes: totalmem(),
    up_seconds: Math.round(uptime()),
    time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}
