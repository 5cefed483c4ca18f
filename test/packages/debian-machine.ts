/** The Debian package, built from what a fresh checkout has, and a machine on which it may be installed. */
import { cpSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { succeed } from '../support/program.ts';
import type { Systemd } from '../support/systemd.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';

const root = join(import.meta.dirname, '../..');

/** What git would give, and the packages beside it: a folder that may be built in. */
export function checkout(t: TestScope): string {
  const folder = tempFolder(t, 'gg-checkout');
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly files: readonly string[] };
  const wanted = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'src', 'packaging', ...files.filter((name) => name !== 'dist' && !name.startsWith('!'))];
  for (const name of new Set(wanted)) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** Builds it from the compiled `project`, quickly and large; resolves with the file. */
export async function buildDeb(project: string, { version, out }: { readonly version: string; readonly out: string }): Promise<string> {
  await succeed([process.execPath, join(project, 'packaging/deb/build.ts'), '--compress', 'none', '--version', version, '--out', out], { environment: { SOURCE_DATE_EPOCH: '1700000000' } });
  return join(out, `goodgateway_${version}_${process.arch === 'x64' ? 'amd64' : process.arch}.deb`);
}

/** The package manager's own files and the folders it writes to, as this systemd alone sees them. */
export async function machineOfItsOwn({ inside }: Systemd): Promise<void> {
  const overlay = 'mkdir -p /run/o/$1/u /run/o/$1/w; mount -t overlay overlay -o lowerdir=/$1,upperdir=/run/o/$1/u,workdir=/run/o/$1/w /$1';
  for (const name of ['etc', 'var', 'usr']) await inside(['/bin/sh', '-ec', overlay, 'sh', name]);
  // where the servers of the tests are installed, nothing may start; here it may
  await inside(['/bin/sh', '-ec', 'rm -f /usr/sbin/policy-rc.d; mount -t tmpfs tmpfs /var/tmp']);
}
