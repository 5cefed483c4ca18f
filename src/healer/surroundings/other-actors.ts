/**
 * Programs that start, stop and reload services and are no people: the system at boot, package managers, logrotate,
 * certbot. Each leaves a trace when it has worked: a lock, or a file that it writes.
 */
import { stat } from 'node:fs/promises';
import { formatDuration, type Clock } from '../../core/time.ts';
import { packageLocks, packageManagers } from './package-manager.ts';
import { uptimeMs } from './recent-boot.ts';

export interface ActorPlaces {
  /** /proc/uptime. */
  readonly uptime: string;
  readonly packageLocks: readonly string[];
  /** Files that each of them writes when it works. */
  readonly traces: readonly { readonly who: string; readonly path: string }[];
}

/** Of Debian, Ubuntu and the Red Hat family. */
export const actorPlaces: ActorPlaces = {
  uptime: '/proc/uptime',
  packageLocks,
  traces: [
    { who: 'the package manager', path: '/var/log/dpkg.log' },
    { who: 'the package manager', path: '/var/log/dnf.rpm.log' },
    { who: 'logrotate', path: '/var/lib/logrotate/status' },
    { who: 'logrotate', path: '/var/lib/logrotate/logrotate.status' },
    { who: 'certbot', path: '/var/log/letsencrypt/letsencrypt.log' },
  ],
};

/** A service that was upgraded is restarted at the end, after the log's last line. */
const traceMs = 60_000;
/** systemd gives a start 90 s; what comes up after the boot comes up in this time. */
const bootMs = 120_000;

/** Which of them explains a change that was seen just now; `undefined`: none that is known. Never rejects. */
export async function otherActor(clock: Clock, places: ActorPlaces): Promise<string | undefined> {
  const upMs = await uptimeMs(places.uptime).catch(() => Infinity);
  if (upMs < bootMs) return `the host was booted ${formatDuration(upMs)} ago`;
  const [manager] = await packageManagers(places.packageLocks).catch(() => []);
  if (manager) return manager.text;
  for (const { who, path } of places.traces) {
    const agoMs = await stat(path).then(
      ({ mtimeMs }) => Math.abs(clock.wallMs() - mtimeMs),
      () => Infinity,
    );
    if (agoMs < traceMs) return `${who} was at work ${formatDuration(agoMs)} ago (${path})`;
  }
  return undefined;
}
