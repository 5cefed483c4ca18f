/**
 * Builds the Debian package from what `npm run build` has compiled: `npm run deb`, or with other compression
 * `node packaging/deb/build.ts --compress none`. Prints the file and its size.
 *
 * The same source and the same SOURCE_DATE_EPOCH give the same bytes: all times in it are that one (default: of the
 * last commit), and dpkg-deb sorts. Node is copied as it is: stripped, it crashes.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { project } from '../supply-chain/production-packages.ts';
import { sourceDate } from '../supply-chain/source-date.ts';
import { writeControl } from './control.ts';
import { layOut } from './lay-out.ts';

const { values } = parseArgs({
  options: {
    /** `xz` is the smallest; `none` the quickest, for tests. */
    compress: { type: 'string', default: 'xz' },
    version: { type: 'string' },
    /** The folder for the package. */
    out: { type: 'string', default: project },
  },
});
if (!['xz', 'zstd', 'gzip', 'none'].includes(values.compress)) throw new Error(`--compress: expected xz, zstd, gzip or none, got ${values.compress}`);

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const architecture = architectures[process.arch];
if (architecture === undefined) throw new Error(`no Debian package is built for ${process.arch}; expected one of ${Object.keys(architectures).join(', ')}`);

const version = values.version ?? ownVersion();
const epoch = sourceDate();

const staging = mkdtempSync(join(tmpdir(), 'goodgateway-deb-'));
process.once('exit', () => rmSync(staging, { recursive: true, force: true }));
layOut(staging, { version, epoch });
writeControl(staging, { version, architecture, epoch });

mkdirSync(values.out, { recursive: true });
const file = join(values.out, `goodgateway_${version}_${architecture}.deb`);
const fast = values.compress === 'xz' || values.compress === 'none' ? [] : ['-z1'];
execFileSync('dpkg-deb', ['--root-owner-group', `-Z${values.compress}`, ...fast, '--build', staging, file], {
  env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
  stdio: ['ignore', 'ignore', 'inherit'],
});
process.stdout.write(`${file}\n${(statSync(file).size / 1e6).toFixed(1)} MB\n`);

function ownVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest && typeof manifest.version === 'string') return manifest.version;
  throw new Error('package.json has no version');
}
