/** Disks that are nearly full, or will be soon at the pace since the last run. Space for those who are not root. */
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import type { Unseen } from '../finding.ts';
import { pathsThatMatter } from './read-paths.ts';

type Found = CheckResult['findings'];

const day = 86_400_000;
const nearlyShare = 0.05;
/** Of a large disk five per cent are plenty. */
const enoughBytes = 10 * 1024 ** 3;
const horizonDays = 45;
/** In less time than this the pace says nothing. */
const shortestMs = day;

export const disk: Check = {
  name: 'disk',
  family: 'configuration',
  deadlineMs: 15_000,
  finds: {
    'disk-nearly-full': { severity: 'serious', when: 'a file system that matters has less than 5 % and less than 10 GiB free' },
    'inodes-nearly-full': { severity: 'serious', when: 'a file system that matters has less than 5 % of its inodes free' },
    'disk-trend': { severity: 'warning', when: 'at the pace since the last run (a day or more ago) a file system is full within 45 days' },
  },
  check: async (context) => {
    const found: Found[number][] = [];
    const unseen: Unseen[] = [];
    const seen = new Set<number>();
    for (const path of pathsThatMatter(context)) {
      const space = await context.outside.space(path);
      if (typeof space === 'string') unseen.push({ subject: `space at ${path}`, why: space });
      if (space === undefined || typeof space === 'string' || seen.has(space.device)) continue;
      seen.add(space.device);
      found.push(...judge(path, space), ...trend(context, path, space));
    }
    return { findings: found, unseen };
  },
};

function judge(path: string, { freeBytes, totalBytes, freeInodes, totalInodes }: { freeBytes: number; totalBytes: number; freeInodes: number | undefined; totalInodes?: number | undefined }): Found {
  const full = totalBytes > 0 && freeBytes < totalBytes * nearlyShare && freeBytes < enoughBytes;
  const inodes = freeInodes !== undefined && totalInodes !== undefined && totalInodes > 0 && freeInodes < totalInodes * nearlyShare;
  return [
    ...(full
      ? [
          {
            id: 'disk-nearly-full',
            subject: path,
            what: `${size(freeBytes)} of ${size(totalBytes)} are free at ${path}.`,
            why: 'On a full disk databases stop, sessions and uploads are lost, logs end, and goodgateway does nothing because nothing can be put on record.',
            change: `see what grew: du -xh --max-depth=2 ${path} | sort -h | tail`,
            source: `statfs ${path}`,
          },
        ]
      : []),
    ...(inodes
      ? [
          {
            id: 'inodes-nearly-full',
            subject: path,
            what: `${freeInodes} of ${totalInodes} inodes are free at ${path}.`,
            why: 'Without inodes no file can be made: "No space left on device" although there is space. Often it is old PHP sessions or a cache.',
            change: `see where they are: du -x --inodes --max-depth=3 ${path} | sort -n | tail`,
            source: `statfs ${path}`,
          },
        ]
      : []),
  ];
}

function trend({ lastRun, outside }: DoctorContext, path: string, { freeBytes, totalBytes }: { readonly freeBytes: number; readonly totalBytes: number }): Found {
  const before = lastRun?.space[path];
  if (!lastRun || !before || before.total_bytes !== totalBytes) return [];
  const passedMs = outside.clock.wallMs() - Date.parse(lastRun.checked_at);
  const lost = before.free_bytes - freeBytes;
  if (passedMs < shortestMs || lost <= 0) return [];
  const daysLeft = (freeBytes / lost) * (passedMs / day);
  if (daysLeft > horizonDays) return [];
  return [
    {
      id: 'disk-trend',
      subject: path,
      what: `In ${Math.round(passedMs / day)} days ${size(lost)} were filled at ${path}; ${size(freeBytes)} are left. At this pace it is full in ${Math.round(daysLeft)} days.`,
      why: 'On a full disk databases stop, and sessions, uploads and logs are lost.',
      change: `see what grows: du -xh --max-depth=2 ${path} | sort -h | tail`,
      source: 'statfs, and the state of the last run',
    },
  ];
}

function size(bytes: number): string {
  const [unit, divisor] = bytes >= 1024 ** 3 ? ['GiB', 1024 ** 3] : ['MiB', 1024 ** 2];
  const value = bytes / Number(divisor);
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} ${unit}`;
}
