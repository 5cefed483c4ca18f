/** The php-fpm pools of the host, with what php.ini adds: from the places of Debian and of RHEL, and from the policies. */
import { dirname } from 'node:path';
import type { Address } from '../core/failure.ts';
import { fpmAddress, readFpmSections, type FpmSetting } from '../healer/probes/read-fpm-pool.ts';
import type { HostFiles } from './host-files.ts';
import type { Unseen } from './finding.ts';

/** One pool and the settings of its master. */
export interface Pool {
  readonly name: string;
  /** The main file, which the title of the running master names. */
  readonly main: string;
  readonly listen: Address;
  /** Where the pool begins: a setting that is not there belongs to that file. */
  readonly file: string;
  readonly maxChildren: FpmSetting | undefined;
  /** Of the pool's section. */
  setting(key: string): FpmSetting | undefined;
  /** Of the section [global]. */
  global(key: string): FpmSetting | undefined;
  /** PHP's max_execution_time for this pool, in seconds; 0 is no limit. */
  readonly executionSeconds: { readonly value: number; readonly place: string };
}

const usualPlaces = ['/etc/php/*/fpm/php-fpm.conf', '/etc/php-fpm.conf', '/etc/opt/remi/php*/php-fpm.conf', '/etc/php*/php-fpm.conf'];

/** Every pool that listens somewhere; `mains`: more main files, as the policies name them. */
export async function readPools(files: HostFiles, mains: readonly string[]): Promise<{ readonly pools: readonly Pool[]; readonly unseen: readonly Unseen[] }> {
  const usual = (await Promise.all(usualPlaces.map((pattern) => files.matching(pattern)))).flat();
  const pools: Pool[] = [];
  const unseen: Unseen[] = [];
  for (const main of new Set([...usual, ...mains])) {
    if (!mains.includes(main) && (await isLeftBehind(main, files))) continue;
    try {
      pools.push(...(await poolsOf(main, files)));
    } catch (error) {
      unseen.push({ subject: main, why: error instanceof Error ? error.message : String(error) });
    }
  }
  return { pools, unseen };
}

/** The php-fpm that a main file at a usual place belongs to; `undefined`: of another place nobody can tell. */
export function fpmProgram(main: string): string | undefined {
  if (main === '/etc/php-fpm.conf') return '/usr/sbin/php-fpm';
  const [, remi] = /^\/etc\/opt\/remi\/(php\d+)\/php-fpm\.conf$/.exec(main) ?? [];
  if (remi) return `/opt/remi/${remi}/root/usr/sbin/php-fpm`;
  const version = /^\/etc\/php(?:\/([\d.]+)\/fpm|(\d+))\/php-fpm\.conf$/.exec(main);
  return version ? `/usr/sbin/php-fpm${version[1] ?? version[2]!}` : undefined;
}

/** Debian leaves the files of a version that was removed. */
async function isLeftBehind(main: string, files: HostFiles): Promise<boolean> {
  const version = /^\/etc\/php\/([\d.]+)\//.exec(main)?.[1];
  if (version === undefined) return false;
  const unit = `php${version}-fpm.service`;
  const signs = [`/usr/sbin/php-fpm${version}`, ...['/lib', '/usr/lib', '/etc'].map((place) => `${place}/systemd/system/${unit}`)];
  return (await Promise.all(signs.map((path) => files.stat(path)))).every((about) => about === undefined);
}

/** Where a setting of a pool is written, or the file where it would be. */
export function placeIn(pool: Pool, setting: FpmSetting | undefined): string {
  return setting ? `${setting.file}:${setting.line}` : pool.file;
}

async function poolsOf(main: string, files: HostFiles): Promise<readonly Pool[]> {
  const sections = readFpmSections(main, files.root);
  const global = sections.get('global');
  const found: Pool[] = [];
  for (const [name, settings] of sections) {
    const setting = (key: string): FpmSetting | undefined => {
      const written = settings.get(key);
      return written && { ...written, value: written.value.replaceAll('$pool', name) };
    };
    const listen = name === 'global' ? undefined : fpmAddress(setting('listen')?.value);
    if (!listen) continue;
    const file = setting('listen')?.file ?? main;
    const executionSeconds = await executionTime(main, files, setting);
    found.push({ name, main, listen, file, setting, executionSeconds, maxChildren: setting('pm.max_children'), global: (key) => global?.get(key) });
  }
  return found;
}

/** The pool's own word, then the last of the scanned files, then php.ini; PHP's default is 30. */
async function executionTime(main: string, files: HostFiles, setting: Pool['setting']): Promise<Pool['executionSeconds']> {
  for (const key of ['php_admin_value[max_execution_time]', 'php_value[max_execution_time]']) {
    const own = setting(key);
    if (own && /^\d+$/.test(own.value)) return { value: Number(own.value), place: `${own.file}:${own.line}` };
  }
  const [ini, folder] = main.startsWith('/etc/php/') ? [`${dirname(main)}/php.ini`, `${dirname(main)}/conf.d`] : ['/etc/php.ini', '/etc/php.d'];
  for (const file of [...(await files.matching(`${folder}/*.ini`)).toReversed(), ini]) {
    const found = (await files.lines(file)).findLast(({ text }) => /^max_execution_time\s*=\s*"?\d+/.test(text));
    if (found) return { value: Number(/\d+/.exec(found.text)?.[0]), place: `${file}:${found.line}` };
  }
  return { value: 30, place: ini };
}
