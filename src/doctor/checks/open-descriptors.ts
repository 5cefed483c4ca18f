import type { Check, DoctorContext } from '../check.ts';
import type { Unseen } from '../finding.ts';
import type { HostProcess } from '../processes.ts';

/** Servers that fail all at once when they have no descriptor left. */
const servers = /^(nginx: (master|worker)|php-fpm: |\S*\/(apache2|httpd|mariadbd|mysqld|redis-server|memcached)( |$)|.*\/(proxy|healer)\/main\.[jt]s)/;
const nearlyShare = 0.8;
const processesAtMost = 500;

/** How near living servers are to their limit of descriptors. Root sees those of all users. */
export const openDescriptors: Check = {
  name: 'open-descriptors',
  family: 'configuration',
  deadlineMs: 15_000,
  finds: { 'descriptors-nearly-used': { severity: 'warning', when: 'a living server has 80 % or more of the descriptors open that its limit allows' } },
  check: async (context) => {
    const living = context.processes.filter(({ command }) => servers.test(command)).slice(0, processesAtMost);
    const counts = await Promise.all(living.map((one) => countOf(context, one)));
    const unseen: readonly Unseen[] =
      counts.some((one) => one === undefined) && !context.outside.isRoot ? [{ subject: 'open descriptors of servers', why: 'those of other users are seen by root only' }] : [];
    // of many workers with the same trouble one is named
    const seen = new Set<string>();
    return {
      unseen,
      findings: living.flatMap(({ pid, command }, index) => {
        const count = counts[index];
        const subject = command.split(' ').slice(0, 3).join(' ');
        if (!count || count.open < nearlyShare * count.limit || seen.has(subject)) return [];
        seen.add(subject);
        return [
          {
            id: 'descriptors-nearly-used',
            subject,
            what: `The process ${pid} has ${count.open} descriptors open; its limit is ${count.limit}.`,
            why: 'At the limit it can open no file and take no connection: "Too many open files". When the number grows without more traffic it leaks them, and a higher limit only delays.',
            change: `see what they are: ls -l /proc/${pid}/fd; then systemctl edit its unit, with [Service] LimitNOFILE=${count.limit * 4}`,
            source: `/proc/${pid}/fd, /proc/${pid}/limits`,
          },
        ];
      }),
    };
  },
};

async function countOf({ files }: DoctorContext, { pid }: HostProcess): Promise<{ readonly open: number; readonly limit: number } | undefined> {
  const limit = Number(/^Max open files\s+(\d+)/m.exec((await files.text(`/proc/${pid}/limits`)) ?? '')?.[1]);
  const open = (await files.list(`/proc/${pid}/fd`)).length;
  // every server has some open
  return limit > 0 && open > 0 ? { open, limit } : undefined;
}
