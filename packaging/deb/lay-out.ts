import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { productionPackages, project } from '../supply-chain/production-packages.ts';

/** Where the program lies once it is installed. */
export const home = 'usr/lib/goodgateway';

/** Our own folders that an installation needs. */
const ours = ['dist', 'policies', 'fallback', 'package.json'];
/** The folders of `packaging` whose files belong to other programs, and where those look for them. */
const elsewhere: Readonly<Record<string, string>> = {
  systemd: 'usr/lib/systemd/system',
  'sysusers.d': 'usr/lib/sysusers.d',
  'tmpfiles.d': 'usr/lib/tmpfiles.d',
  'logrotate.d': 'etc/logrotate.d',
};
/** Of packages: what no program reads when it runs. */
const notForUse = /\.(?:[cm]?ts|map)$|\/(?:test|tests|benchmark|benchmarks|docs|docs|\.github|examples?)$/;

/** Puts every file of the package where it will be installed. Throws when something was not built or not installed. */
export function layOut(root: string, { version, epoch }: { readonly version: string; readonly epoch: number }): void {
  if (!existsSync(join(project, 'dist/cli/main.js'))) throw new Error('dist is missing: npm run build');
  for (const name of ours) copy(join(project, name), join(root, home, name));
  for (const one of productionPackages()) copyPackage(root, one);
  copy(join(project, 'node_modules/node/bin/node'), join(root, home, 'bin/node'));
  copy(join(project, 'node_modules/node/node_modules', `node-${process.platform}-${process.arch}`, 'LICENSE'), join(root, home, 'bin/LICENSE'));
  for (const [folder, place] of Object.entries(elsewhere)) for (const name of filesOf(folder)) copy(join(project, 'packaging', folder, name), join(root, place, name));
  write(join(root, 'usr/bin/goodgateway'), launcher, 0o755);
  documentation(root, { version, epoch });
  mkdirSync(join(root, 'etc/goodgateway/policies.d'), { recursive: true });
  evenRights(root);
}

/** The names of the files of a folder of `packaging`, in order. */
export function filesOf(folder: string): readonly string[] {
  return readdirSync(join(project, 'packaging', folder)).sort();
}

/** Its own copy of Node, because Debian 12 and Ubuntu 24.04 bring one that is too old. */
const launcher = `#!/bin/sh
exec /${home}/bin/node --disable-warning=ExperimentalWarning /${home}/dist/cli/main.js "$@"
`;

function copyPackage(root: string, { place, name, version }: { readonly place: string; readonly name: string; readonly version: string }): void {
  const from = join(project, place);
  const manifest: unknown = existsSync(from) ? JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) : {};
  const found = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : undefined;
  if (found !== version) throw new Error(`${place}: expected ${name} ${version} as in package-lock.json, found ${String(found ?? 'none')}: npm ci`);
  // packages inside it have entries of their own in the lock file
  copy(from, join(root, home, place), (path) => path !== join(from, 'node_modules') && !notForUse.test(path));
}

function documentation(root: string, { version, epoch }: { readonly version: string; readonly epoch: number }): void {
  const folder = join(root, 'usr/share/doc/goodgateway');
  copy(join(project, 'docs'), join(folder, 'docs'), (path) => !path.endsWith('docs/pictures'));
  copy(join(project, 'README.md'), join(folder, 'README.md'));
  // level 9 and no name or time in it: as Debian asks, and the same in each build
  write(join(folder, 'CHANGELOG.md.gz'), gzipSync(readFileSync(join(project, 'CHANGELOG.md')), { level: 9 }));
  const entry = `goodgateway (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n -- ${maintainer}  ${rfc5322(epoch)}\n`;
  write(join(folder, 'changelog.gz'), gzipSync(entry, { level: 9 }));
  write(join(folder, 'copyright'), copyright());
}

/** As other tools of Debian take it. */
export const maintainer = `${process.env['DEBFULLNAME'] ?? 'goodgateway'} <${process.env['DEBEMAIL'] ?? 'goodgateway@localhost'}>`;

function rfc5322(epoch: number): string {
  return new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
}

/** Ours, and beside each package's name the licence that it names; the texts lie in its folder. */
function copyright(): string {
  const stanza = (files: string, licence: string): string => `Files: ${files}\nCopyright: its authors; see the LICENSE file in that folder\nLicense: ${licence}\n`;
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: goodgateway\n',
    'Files: *\nCopyright: the authors of goodgateway\nLicense: Apache-2.0\n',
    stanza(`${home}/bin/node`, 'MIT and those of its parts, as in bin/LICENSE'),
    ...productionPackages().map(({ place, licence }) => stanza(`${home}/${place}/*`, licence)),
    'License: Apache-2.0\n On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n',
  ].join('\n');
}

function copy(from: string, to: string, wanted: (path: string) => boolean = () => true): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true, filter: wanted });
}

function write(path: string, content: string | Buffer, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode });
}

/** Whatever the mask of whoever builds, and the rights in a checkout. */
function evenRights(root: string): void {
  const programs = [`${home}/bin/node`, `${home}/dist/cli/main.js`, 'usr/bin/goodgateway'];
  chmodSync(root, 0o755);
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    chmodSync(join(root, path), programs.includes(path) || statSync(join(root, path)).isDirectory() ? 0o755 : 0o644);
  }
}
