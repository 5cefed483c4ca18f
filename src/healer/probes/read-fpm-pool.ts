/**
 * A php-fpm pool as its configuration files describe it: found from the policy, the start command, the title of the
 * running master, or Debian's places. Reads at most 200 files of 256 KiB; relative paths are not followed, because
 * they depend on how php-fpm was built.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseAddress, type Address } from '../../core/failure.ts';
import type { ServiceTarget } from '../leaves.ts';
import { readText } from '../proc.ts';
import { listenersAt } from '../socket-tables.ts';
import { readRegularText } from './read-regular-file.ts';

const filesAtMost = 200;
const fileLimitBytes = 256 * 1024;

/** What of a pool's configuration a diagnosis needs. */
export interface FpmPool {
  readonly name: string;
  /** The file and line of `pm.max_children`: where a person would change it. */
  readonly file: string;
  readonly line: number;
  readonly maxChildren: number;
  readonly listen: Address;
  readonly statusPath?: string;
  readonly statusListen?: Address;
  /** The master's log, of the [global] section. */
  readonly errorLog?: string;
  /** Where PHP itself logs, where the pool says so; not followed when it is no absolute path. */
  readonly phpLog?: string;
  readonly slowLog?: string;
  /** What may end a request, as the pool says it; absent: its default, or php.ini's. */
  readonly timeouts: FpmTimeouts;
}

/** In ms; 0 is "never". `controlMs`: how long a reload waits for requests, of [global]. */
export interface FpmTimeouts {
  readonly terminateMs?: number;
  readonly executionMs?: number;
  readonly controlMs?: number;
}

/** One line of a php-fpm configuration. */
export interface FpmSetting {
  readonly value: string;
  readonly file: string;
  readonly line: number;
}
type Sections = Map<string, Map<string, FpmSetting>>;

/** The pool that listens at the service's current upstream; `undefined` when no configuration file tells of it. */
export function readFpmPool(target: ServiceTarget, mainPid?: number): FpmPool | undefined {
  const file = configurationFile(target, mainPid);
  const upstream = target.upstreams[target.current];
  if (!file || !upstream) return undefined;
  const sections: Sections = new Map();
  readInto(sections, [file], new Set());
  // A pool file that is named by itself says nothing of [global], and its neighbours do not matter.
  const errorLog = sections.get('global')?.get('error_log')?.value;
  const controlMs = durationOf(sections.get('global')?.get('process_control_timeout')?.value);
  for (const [name, settings] of sections) {
    const pool = name === 'global' ? undefined : poolOf(name, settings);
    if (pool && listenersAt([upstream], [{ address: pool.listen, inode: '' }]).length > 0)
      return { ...pool, ...(errorLog?.startsWith('/') ? { errorLog } : {}), timeouts: { ...pool.timeouts, ...(controlMs === undefined ? {} : { controlMs }) } };
  }
  return undefined;
}

/**
 * Every section of a php-fpm configuration, `global` and the pools by their names, each with its settings as they are
 * written; the last of a repeated one. `root` stands for `/` in tests.
 */
export function readFpmSections(file: string, root = ''): ReadonlyMap<string, ReadonlyMap<string, FpmSetting>> {
  const sections: Sections = new Map();
  readInto(sections, [file], new Set(), root);
  return sections;
}

/** php-fpm's spellings of an address: a path, a port of every address, or host:port. */
export function fpmAddress(text: string | undefined): Address | undefined {
  if (!text) return undefined;
  if (text.startsWith('/')) return { kind: 'unix', path: text };
  return parseAddress(/^\d+$/.test(text) ? `[::]:${text}` : text);
}

/** All files that the pool's configuration is read from, the main one first; empty when none is known. */
export function fpmConfigurationFiles(target: ServiceTarget, mainPid?: number): readonly string[] {
  const file = configurationFile(target, mainPid);
  const seen = new Set<string>();
  if (file) readInto(new Map(), [file], seen);
  return [...seen];
}

function configurationFile({ config }: ServiceTarget, mainPid: number | undefined): string | undefined {
  const debian = config.type === 'systemd' ? debianFile(config.unit) : config.type === 'init' ? debianFile(basename(config.script)) : undefined;
  const started = config.type === 'process' ? fromArguments(config.start) : undefined;
  // The master's title is `php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)`.
  const titled = mainPid === undefined ? undefined : /master process \((\/[^)]+)\)/.exec(readText(`/proc/${mainPid}/cmdline`))?.[1];
  return [config.pool, started, titled, debian].find((file) => file !== undefined && existsSync(file));
}

function debianFile(name: string): string | undefined {
  const version = /^php(\d+\.\d+)-fpm(?:\.service)?$/.exec(name)?.[1];
  return version && `/etc/php/${version}/fpm/php-fpm.conf`;
}

function fromArguments(argv: readonly string[]): string | undefined {
  const index = argv.findIndex((word) => word === '--fpm-config' || word === '-y');
  if (index >= 0) return argv[index + 1];
  return argv.find((word) => word.startsWith('--fpm-config='))?.slice('--fpm-config='.length);
}

function readInto(sections: Sections, files: readonly string[], seen: Set<string>, root = ''): void {
  let section = 'global';
  for (const file of files) {
    const written = seen.has(file) || seen.size >= filesAtMost ? undefined : readRegularText(root + file, fileLimitBytes);
    if (written === undefined) continue;
    seen.add(file);
    for (const [index, raw] of written.split('\n').entries()) {
      const text = raw.trim();
      const header = /^\[([^\]]+)\]/.exec(text)?.[1];
      if (header) section = header;
      const found = /^([a-z_.]+(?:\[[\w.]+\])?)\s*=\s*"?([^";]*?)"?\s*(?:;.*)?$/.exec(text);
      if (!found) continue;
      if (found[1] === 'include') readInto(sections, matching(found[2]!, root), seen, root);
      else sections.set(section, (sections.get(section) ?? new Map()).set(found[1]!, { value: found[2]!, file, line: index + 1 }));
    }
  }
}

/** `/etc/php/8.2/fpm/pool.d/*.conf`: a star in the last part, as php-fpm's own files have it. */
function matching(pattern: string, root: string): readonly string[] {
  if (!pattern.startsWith('/')) return [];
  const [before, after] = basename(pattern).split('*');
  if (after === undefined) return [pattern];
  const folder = dirname(pattern);
  if (!existsSync(root + folder)) return [];
  return readdirSync(root + folder)
    .filter((name) => name.startsWith(before!) && name.endsWith(after))
    .toSorted()
    .map((name) => join(folder, name));
}

function poolOf(name: string, settings: ReadonlyMap<string, FpmSetting>): FpmPool | undefined {
  const value = (key: string) => settings.get(key)?.value.replaceAll('$pool', name);
  const listen = fpmAddress(value('listen'));
  const most = settings.get('pm.max_children');
  if (!listen || !most || !/^\d{1,6}$/.test(most.value)) return undefined;
  const statusPath = value('pm.status_path');
  const statusListen = fpmAddress(value('pm.status_listen'));
  const file = (key: string) => [value(key)].find((path) => path?.startsWith('/'));
  const [slowLog, phpLog] = [file('slowlog'), file('php_admin_value[error_log]') ?? file('php_value[error_log]')];
  return {
    name,
    file: most.file,
    line: most.line,
    maxChildren: Number(most.value),
    listen,
    ...(statusPath ? { statusPath } : {}),
    ...(statusListen ? { statusListen } : {}),
    ...(slowLog ? { slowLog } : {}),
    ...(phpLog ? { phpLog } : {}),
    timeouts: timeoutsOf(value),
  };
}

function timeoutsOf(value: (key: string) => string | undefined): FpmTimeouts {
  const terminateMs = durationOf(value('request_terminate_timeout'));
  const executionMs = durationOf(value('php_admin_value[max_execution_time]') ?? value('php_value[max_execution_time]'));
  return { ...(terminateMs === undefined ? {} : { terminateMs }), ...(executionMs === undefined ? {} : { executionMs }) };
}

/** php-fpm's times: seconds, or with `s`, `m`, `h`, `d`; `undefined` when it is none. */
export function fpmSeconds(text: string | undefined): number | undefined {
  const found = /^(\d{1,9})([smhd]?)$/.exec(text ?? '');
  return found ? Number(found[1]) * { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[found[2] as '' | 's' | 'm' | 'h' | 'd'] : undefined;
}

function durationOf(text: string | undefined): number | undefined {
  const seconds = fpmSeconds(text);
  return seconds === undefined ? undefined : seconds * 1000;
}
