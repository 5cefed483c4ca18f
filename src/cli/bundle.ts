/** `goodgateway bundle`: everything about one incident in one file, for a ticket. */
import type { Command } from 'commander';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { loadHost } from '../config/load-host.ts';
import { findConfiguration } from '../config/load.ts';
import { productVersion } from '../config/product-version.ts';
import { incidentCode } from '../core/ids.ts';
import { findIncident, type IncidentStory } from '../healer/audit/find-incident.ts';
import { readingCommand, withAudit, type AuditSource, type OpenAudit } from './audit-files.ts';
import { bundleMembers, type BundleContents, type BundleSource } from './bundle-members.ts';
import { tarArchive, type TarMember } from './tar-archive.ts';
import { complain, plain, printLine } from './terminal.ts';

interface BundleOptions extends AuditSource {
  readonly output?: string;
}

/** The sub-command. Exit status 0; 1 when there is no such incident, or the file cannot be written; 2 when it was called wrongly. */
export function bundleCommand(): Command {
  return readingCommand('bundle')
    .description('everything about one incident in one file for a ticket: records, story, evidence, configuration; secrets replaced')
    .argument('<incident>', 'its id, its code, or the id of a request that met it')
    .option('--output <file>', 'where to; never over a file that is there (default: ./goodgateway-CODE.tar.gz)')
    .addHelpText('after', '\nExample: goodgateway bundle 7K3FQX --output /root/ticket-4711.tar.gz\nRead it before you send it: secrets are found by patterns, which can miss one.')
    .action((incident: string, options: BundleOptions) => withAudit(options, (audit) => writeBundle(audit, incident, options)));
}

async function writeBundle(audit: OpenAudit, wanted: string, options: BundleOptions): Promise<void> {
  const story = await findIncident(audit.files, wanted);
  if (!story) return complain(`no incident ${plain(wanted)} in ${audit.folder}; "goodgateway log" lists those that there are`, 1);
  const contents = await bundleMembers({ story, files: audit.files, host: await findHost(options) });
  const folder = `goodgateway-${incidentCode(story.id)}`;
  const output = resolve(options.output ?? `${folder}.tar.gz`);
  const members = withSums([...contents.members, manifestOf(story, contents)]).map(({ name, bytes }) => ({ name: `${folder}/${name}`, bytes }));
  const packed = gzipSync(tarArchive(members, Date.parse(story.records.at(-1)?.ts ?? '')));
  const trouble = await writeNew(output, packed);
  if (trouble !== undefined) return complain(trouble, 1);
  for (const line of summary(output, { contents, count: members.length, bytes: packed.length })) await printLine(plain(line));
}

/** A log that was copied from elsewhere has nothing to do with this machine's configuration, unless it is named. */
async function findHost({ config, folder }: BundleOptions): Promise<BundleSource['host']> {
  if (folder !== undefined && config === undefined) return undefined;
  const file = await findConfiguration(config);
  const loaded = await loadHost(file);
  return loaded.ok ? { file, host: loaded.host } : undefined;
}

function manifestOf(story: IncidentStory, { members, leftOut }: BundleContents): TarMember {
  const policy = story.records.findLast((record) => record.policy)?.policy;
  const isSame = (sha256: string): boolean => members.some(({ originalSha256 }) => originalSha256 === sha256);
  const manifest = {
    version: 1,
    incident: story.id,
    made_by: `goodgateway ${productVersion()}`,
    made_at: new Date().toISOString(),
    policy: policy ? { ...policy, file_is_still_the_same: isSame(policy.sha256) } : null,
    secrets_replaced: secretsIn(members),
    files: members.map(({ name, bytes, secrets }) => ({ name, bytes: bytes.length, sha256: sha256Of(bytes), secrets_replaced: secrets })),
    left_out: leftOut,
  };
  return { name: 'manifest.json', bytes: Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`) };
}

/** SHA256SUMS as `sha256sum --check` reads it, last of all. */
function withSums(members: readonly TarMember[]): readonly TarMember[] {
  return [...members, { name: 'SHA256SUMS', bytes: Buffer.from(members.map(({ name, bytes }) => `${sha256Of(bytes)}  ${name}\n`).join('')) }];
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function secretsIn(members: BundleContents['members']): number {
  return members.reduce((sum, { secrets }) => sum + secrets, 0);
}

/** Mode 0600; never over a file or through a link. In plain words why it could not be. */
async function writeNew(path: string, bytes: Buffer): Promise<string | undefined> {
  try {
    await using handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      await handle.writeFile(bytes);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    return undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return `${plain(path)} is there already and is not written over; name another file with --output`;
    return `${plain(path)} cannot be written: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function summary(output: string, { contents, count, bytes }: { readonly contents: BundleContents; readonly count: number; readonly bytes: number }): readonly string[] {
  const secrets = secretsIn(contents.members);
  return [
    `${output}: ${count} files, ${Math.ceil(bytes / 1024)} KiB`,
    secrets === 1 ? '1 secret was replaced; read it before you send it' : `${secrets} secrets were replaced; read it before you send it`,
    ...contents.leftOut.map(({ name, why }) => `left out: ${name}: ${why}`),
  ];
}
