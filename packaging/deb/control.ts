import { createHash } from 'node:crypto';
import { lutimesSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { filesOf, maintainer } from './lay-out.ts';

export interface ControlFacts {
  readonly version: string;
  readonly architecture: string;
  /** Seconds since 1970: the time of every file. */
  readonly epoch: number;
}

/**
 * Restarted in this order, after an upgrade: while the healer is away requests flow; while the proxy is, its sockets
 * belong to systemd and take them.
 */
const restartOrder = ['goodgateway-healer.service', 'goodgateway-proxy.service'];

/** Writes DEBIAN/ for what lies in `root`, and gives everything the same time. */
export function writeControl(root: string, { version, architecture, epoch }: ControlFacts): void {
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const folder = join(root, 'DEBIAN');
  mkdirSync(folder);
  writeFileSync(join(folder, 'control'), control(version, architecture, sizeKiB(files)));
  writeFileSync(join(folder, 'md5sums'), files.map((file) => `${createHash('md5').update(readFileSync(file)).digest('hex')}  ${relative(root, file)}\n`).join(''));
  const conffiles = files.map((file) => `/${relative(root, file)}\n`).filter((file) => file.startsWith('/etc/'));
  if (conffiles.length > 0) writeFileSync(join(folder, 'conffiles'), conffiles.join(''));
  for (const name of ['postinst', 'prerm', 'postrm']) writeFileSync(join(folder, name), script(name), { mode: 0o755 });
  for (const entry of readdirSync(root, { recursive: true, encoding: 'utf8' })) lutimesSync(join(root, entry), epoch, epoch);
  lutimesSync(root, epoch, epoch);
}

/** The libraries are those that the copy of Node is linked with, in the versions of its symbols. */
function control(version: string, architecture: string, size: number): string {
  return `Package: goodgateway
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${size}
Depends: libc6 (>= 2.28), libgcc-s1 (>= 3.4), libstdc++6 (>= 5.2), systemd | systemd-standalone-sysusers | adduser
Suggests: nginx, logrotate
Section: httpd
Priority: optional
Description: self-healing sidecar between nginx and its backend
 When php-fpm, Apache or an application crashes, freezes or runs out of
 workers, requests wait, the cause is named, a policy decides what is done
 about it, the repair is verified, and every step is in an audit log.
 .
 It brings its own copy of Node.
`;
}

function sizeKiB(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + Math.ceil(statSync(file).size / 1024), 0);
}

/** `@UNITS@` and `@SERVICES@` become the names of our units: after a removal nobody can look them up. */
function script(name: string): string {
  const units = filesOf('systemd');
  const services = units.filter((unit) => unit.endsWith('.service')).sort((a, b) => restartOrder.indexOf(a) - restartOrder.indexOf(b));
  return readFileSync(join(import.meta.dirname, name), 'utf8')
    .replaceAll('@UNITS@', units.join(' '))
    .replaceAll('@SERVICES@', services.join(' '));
}
