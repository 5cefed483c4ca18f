/**
 * What was changed shortly before the trouble: packages, the files of the configuration, the boot. Evidence
 * `recent_change`, one for each: no cause by itself, but often what brought it about, and the way back.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Evidence } from '../../core/diagnosis.ts';
import { formatDuration } from '../../core/time.ts';
import type { Probe, ProbeContext, ServiceTarget } from '../leaves.ts';
import { fpmConfigurationFiles } from './read-fpm-pool.ts';
import { readDpkgLog, type PackageChange } from './read-package-log.ts';

/** An upgrade, a deploy and the first request that suffers from it lie within so long. */
const beforeMs = 3_600_000;
/** Looked back where the service was never seen well. */
const longestMs = 86_400_000;
const bootMs = 600_000;
const mostOfAKind = 5;
const dpkgLog = '/var/log/dpkg.log';

/** Where Debian's Apache is configured: a site or module that was switched on or off changes the folder. */
const apacheFiles = ['/etc/apache2/apache2.conf', '/etc/apache2/ports.conf', '/etc/apache2/sites-enabled', '/etc/apache2/mods-enabled', '/etc/apache2/conf-enabled'];

/** Applies to every service on this host. */
export const recentChanges: Probe = {
  name: 'recent-changes',
  deadlineMs: 1000,
  quick: false,
  applies: ({ config }) => config.type !== 'external',
  async look(context) {
    const { clock, lastGoodMs } = context;
    const nowMs = clock.wallMs();
    const sinceMs = Math.max(nowMs - longestMs, lastGoodMs === 0 ? 0 : lastGoodMs - beforeMs);
    const found = await Promise.all([packages(context.target, { sinceMs, nowMs }), files(context, { sinceMs, nowMs }), boot()]);
    return found.flat();
  },
};

interface Span {
  readonly sinceMs: number;
  readonly nowMs: number;
}

async function packages(target: ServiceTarget, { sinceMs, nowMs }: Span): Promise<readonly Evidence[]> {
  // best effort: another distribution, or a log that was rotated away just now
  const changes = await readDpkgLog(dpkgLog, sinceMs).catch(() => []);
  const stem = stemOf(target);
  const own = stem === undefined ? [] : changes.filter((change) => change.package.includes(stem));
  const upgraded = own.filter(({ from, to }) => from !== undefined && to !== undefined);
  return [
    ...upgraded.slice(-mostOfAKind).map((change) => upgrade(change, nowMs)),
    ...together(
      'installed',
      own.filter(({ from }) => from === undefined),
      nowMs,
    ),
    ...together(
      'removed',
      own.filter(({ to }) => to === undefined),
      nowMs,
    ),
  ];
}

function upgrade({ package: name, from = '', to = '', atMs }: PackageChange, nowMs: number): Evidence {
  const text = `${name} was upgraded from ${from} to ${to} ${ago(atMs, nowMs)}; back with: apt-get install ${name}=${from}`;
  return { kind: 'recent_change', source: dpkgLog, text, facts: { what: 'package', package: name, from, to } };
}

/** One sentence for all: there is no version to go back to. */
function together(verb: 'installed' | 'removed', changes: readonly PackageChange[], nowMs: number): readonly Evidence[] {
  const last = changes.at(-1);
  if (!last) return [];
  const names = changes.map((change) => change.package);
  const more = names.length > mostOfAKind ? ` and ${names.length - mostOfAKind} more` : '';
  const text = `${names.slice(0, mostOfAKind).join(', ')}${more} ${names.length === 1 ? 'was' : 'were'} ${verb} ${ago(last.atMs, nowMs)}.`;
  return [{ kind: 'recent_change', source: dpkgLog, text, facts: { what: 'package', package: last.package } }];
}

function ago(atMs: number, nowMs: number): string {
  return `${formatDuration(Math.max(0, nowMs - atMs))} ago`;
}

/** `php` of php8.2-fpm.service, `apache` of apache2: what the names of all its packages have in them. */
function stemOf({ config }: ServiceTarget): string | undefined {
  const name = config.type === 'systemd' ? config.unit : config.type === 'init' ? config.script : config.type === 'process' ? config.start[0] : undefined;
  return /([a-z]{3,})[^/]*$/.exec(name ?? '')?.[1];
}

async function files({ target, run, serviceType }: ProbeContext, { sinceMs, nowMs }: Span): Promise<readonly Evidence[]> {
  const { mainPid } = await serviceType.state(target, run, new AbortController().signal);
  const tested = (serviceType.configTest(target) ?? []).slice(1).filter((word) => word.startsWith('/'));
  const known = [...new Set([...fpmConfigurationFiles(target, mainPid), ...tested, ...(stemOf(target) === 'apache' ? apacheFiles : [])])];
  const dated = await Promise.all(known.map(async (path) => ({ path, atMs: await changedAt(path) })));
  const recent = dated.filter(({ atMs }) => atMs >= sinceMs && atMs <= nowMs).toSorted((one, other) => other.atMs - one.atMs);
  return recent.slice(0, mostOfAKind).map(({ path, atMs }) => ({ kind: 'recent_change', source: path, text: `${path} was changed ${ago(atMs, nowMs)}.`, facts: { what: 'file', path } }));
}

async function changedAt(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => -Infinity,
  );
}

async function boot(): Promise<readonly Evidence[]> {
  const upMs = Number((await readFile('/proc/uptime', 'utf8').catch(() => 'NaN')).split(' ')[0]) * 1000;
  if (!(upMs < bootMs)) return [];
  return [{ kind: 'recent_change', source: '/proc/uptime', text: `The host was booted ${formatDuration(upMs)} ago.`, facts: { what: 'boot' } }];
}
