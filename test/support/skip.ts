import { accessSync, constants } from 'node:fs';

/** Programs (and a library) that tests run, where Debian puts them, and the package that brings them. */
const programs = {
  nginx: { path: '/usr/sbin/nginx', package: 'nginx' },
  'php-fpm8.2': { path: '/usr/sbin/php-fpm8.2', package: 'php8.2-fpm' },
  'php8.2': { path: '/usr/bin/php8.2', package: 'php8.2-cli' },
  mysqli: { path: '/usr/lib/php/20220829/mysqli.so', package: 'php8.2-mysql' },
  apache2: { path: '/usr/sbin/apache2', package: 'apache2' },
  chromium: { path: '/usr/bin/chromium', package: 'chromium' },
  curl: { path: '/usr/bin/curl', package: 'curl' },
  'dpkg-deb': { path: '/usr/bin/dpkg-deb', package: 'dpkg' },
  ip: { path: '/usr/sbin/ip', package: 'iproute2' },
  iptables: { path: '/usr/sbin/iptables', package: 'iptables' },
  nft: { path: '/usr/sbin/nft', package: 'nftables' },
  unshare: { path: '/usr/bin/unshare', package: 'util-linux' },
  mariadbd: { path: '/usr/sbin/mariadbd', package: 'mariadb-server' },
  postgres: { path: '/usr/lib/postgresql/15/bin/postgres', package: 'postgresql-15' },
  'redis-server': { path: '/usr/bin/redis-server', package: 'redis-server' },
  memcached: { path: '/usr/bin/memcached', package: 'memcached' },
  python3: { path: '/usr/bin/python3', package: 'python3-minimal' },
  aiosmtpd: { path: '/usr/lib/python3/dist-packages/aiosmtpd/smtp.py', package: 'python3-aiosmtpd' },
  openssl: { path: '/usr/bin/openssl', package: 'openssl' },
  script: { path: '/usr/bin/script', package: 'bsdutils' },
  ps: { path: '/usr/bin/ps', package: 'procps' },
  logrotate: { path: '/usr/sbin/logrotate', package: 'logrotate' },
} as const;
export type ProgramName = keyof typeof programs;

/** The absolute path of a program that tests run. */
export function programPath(name: ProgramName): string {
  return programs[name].path;
}

/**
 * Why a test cannot run here, with the command that cures it; `false` when it can. For tap's own option:
 * `t.test('…', { skip: missing('nginx') }, …)`.
 */
export function missing(...names: readonly ProgramName[]): string | false {
  const absent = names.filter((name) => !isThere(programs[name].path));
  if (absent.length === 0) return false;
  const packages = absent.map((name) => programs[name].package);
  return `needs ${absent.join(', ')}: sudo apt-get install --no-install-recommends ${packages.join(' ')}`;
}

interface SkippableTest {
  readonly name: string;
  pass(message: string, extra: { readonly skip: string }): unknown;
}

/** Is everything here? If not, the test is skipped, loudly: in the report and on standard error. */
export function needs(t: SkippableTest, ...names: readonly ProgramName[]): boolean {
  const reason = missing(...names);
  if (reason === false) return true;
  process.stderr.write(`SKIPPED ${t.name}: ${reason}\n`);
  t.pass(t.name, { skip: reason });
  return false;
}

/** Real servers change their user; some scenes need that. */
export const isRoot = process.getuid?.() === 0;

function isThere(path: string): boolean {
  try {
    // a library is loaded, not executed
    accessSync(path, /\.(so|py)$/.test(path) ? constants.R_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
