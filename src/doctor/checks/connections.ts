/** nginx's connections: against the requests that gateways may hold, and against nginx's own descriptors. */
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { blocks, inForce, placeOf, topNumber, workerCount, type Nginx } from '../nginx/passes.ts';
import { readUnit } from '../units.ts';
import { gatewayPasses } from '../who-passes.ts';

type Found = CheckResult['findings'];

/** nginx's own default. */
const defaultConnections = 512;
/** A request that waits costs nginx two connections; three quarters are left for everybody else. */
const shareOfHolding = 8;

export const connections: Check = {
  name: 'connections',
  family: 'load',
  deadlineMs: 15_000,
  finds: {
    'held-requests': { severity: 'warning', when: 'all gateways together may hold more requests (`hold.requests`) than `worker_connections` × `worker_processes` ÷ 8' },
    'nginx-descriptors': { severity: 'warning', when: "nginx's descriptors (`worker_rlimit_nofile`, `LimitNOFILE`, or the limit of its workers) are fewer than its `worker_connections`" },
  },
  check: async (context) => {
    const { nginx } = context;
    return { findings: nginx ? [...holding(context, nginx), ...(await descriptors(context, nginx))] : [] };
  },
};

function holding(context: DoctorContext, nginx: Nginx): Found {
  const gateways = new Map(gatewayPasses(context).map(({ name, gateway }) => [name, gateway]));
  const held = [...gateways.values()].reduce((sum, gateway) => sum + gateway.hold.requests, 0);
  const { perWorker, place } = connectionsOf(nginx);
  const workers = workerCount(nginx, context.outside.cpus);
  const most = Math.floor((perWorker * workers) / shareOfHolding);
  if (held <= most) return [];
  const each = Math.max(1, Math.floor(most / gateways.size));
  return [
    {
      id: 'held-requests',
      subject: [...gateways.keys()].join(', '),
      what: `The gateways may hold ${held} requests; nginx has ${perWorker} connections in each of ${workers} workers, enough for ${most}.`,
      why: 'Each request that waits takes two connections of nginx. In an outage it runs out of them, and the other sites on it fail, too.',
      change: `gateways.NAME.hold.requests: ${each}   (or ${place}: worker_connections ${Math.ceil((held * shareOfHolding) / workers)};)`,
      source: place,
    },
  ];
}

async function descriptors(context: DoctorContext, nginx: Nginx): Promise<Found> {
  const { perWorker, place } = connectionsOf(nginx);
  const limit = await descriptorLimit(context, nginx);
  if (!limit || limit.value >= perWorker) return [];
  return [
    {
      id: 'nginx-descriptors',
      subject: 'nginx',
      what: `Each worker may have ${limit.value} descriptors, and is to serve ${perWorker} connections.`,
      why: 'Each connection, log and file takes one. Under load nginx writes "Too many open files", and visitors are turned away.',
      change: `${nginx.file}: worker_rlimit_nofile ${perWorker * 2};   (at the top, outside of all blocks)`,
      source: `${limit.place} and ${place}`,
    },
  ];
}

/** What is written for nginx itself counts before what its workers were given, and that before its unit. */
async function descriptorLimit({ processes, files }: DoctorContext, nginx: Nginx): Promise<{ readonly value: number; readonly place: string } | undefined> {
  const written = inForce(nginx.main, 'worker_rlimit_nofile')[0];
  if (written) return { value: Number(written.words[0]), place: placeOf(written) };
  const worker = processes.find(({ command }) => command.startsWith('nginx: worker process'));
  const living = worker && /^Max open files\s+(\d+)/m.exec((await files.text(`/proc/${worker.pid}/limits`)) ?? '')?.[1];
  if (worker && living) return { value: Number(living), place: `/proc/${worker.pid}/limits` };
  const unit = (await readUnit(files, 'nginx.service'))?.value('Service', 'LimitNOFILE');
  const soft = unit && /^\d+/.exec(unit.text)?.[0];
  return unit && soft ? { value: Number(soft), place: unit.place } : undefined;
}

function connectionsOf(nginx: Nginx): { readonly perWorker: number; readonly place: string } {
  const events = blocks(nginx, 'events')[0];
  const written = events?.directives.find(({ name }) => name === 'worker_connections');
  return { perWorker: topNumber(nginx, 'worker_connections') ?? defaultConnections, place: written ? placeOf(written) : nginx.file };
}
