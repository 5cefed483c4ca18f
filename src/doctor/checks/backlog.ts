import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { everywhere, placeOf } from '../nginx/passes.ts';
import { placeIn } from '../pools.ts';

/** php-fpm's and nginx's own default on Linux. */
const usualBacklog = 511;

/** Queues that the kernel cuts without a word. */
export const backlog: Check = {
  name: 'backlog',
  family: 'load',
  deadlineMs: 15_000,
  finds: { 'backlog-cut': { severity: 'warning', when: 'a `listen.backlog` of php-fpm or a `backlog=` of nginx is larger than the kernel allows (`net.core.somaxconn`)' } },
  check: async (context) => {
    const somaxconn = Number((await context.files.text('/proc/sys/net/core/somaxconn')) ?? Number.NaN);
    if (!(somaxconn > 0)) return { findings: [], unseen: [{ subject: 'net.core.somaxconn', why: '/proc/sys/net/core/somaxconn cannot be read' }] };
    return { findings: asked(context).flatMap((one) => tooLong(one, somaxconn)) };
  },
};

interface Queue {
  readonly subject: string;
  readonly length: number;
  readonly place: string;
}

function asked({ pools, nginx }: DoctorContext): readonly Queue[] {
  const ofPools = pools.map((pool) => {
    const written = pool.setting('listen.backlog');
    // -1 asks for as much as the kernel gives
    return { subject: `pool ${pool.name} (${pool.main})`, length: written ? Number(written.value) : usualBacklog, place: placeIn(pool, written) };
  });
  const ofNginx = (nginx ? everywhere(nginx, 'listen') : []).flatMap((line) => {
    const length = /^backlog=(\d+)$/.exec(line.words.find((word) => word.startsWith('backlog=')) ?? '')?.[1];
    return length === undefined ? [] : [{ subject: `nginx, listen ${line.words[0]}`, length: Number(length), place: placeOf(line) }];
  });
  return [...ofPools, ...ofNginx];
}

function tooLong({ subject, length, place }: Queue, somaxconn: number): CheckResult['findings'] {
  if (!(length > somaxconn)) return [];
  return [
    {
      id: 'backlog-cut',
      subject,
      what: `It asks for a queue of ${length} connections; the kernel allows ${somaxconn} (net.core.somaxconn).`,
      why: 'The kernel cuts the queue without a word. A burst that was meant to wait is refused: "502 Bad Gateway" on unix sockets, a timeout on TCP.',
      change: `echo 'net.core.somaxconn = ${length}' > /etc/sysctl.d/60-backlog.conf && sysctl --system, then restart the service`,
      source: place,
    },
  ];
}
