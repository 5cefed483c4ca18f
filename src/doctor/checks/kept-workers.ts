/** Connections that are kept open to php-fpm: each occupies a worker for nobody. And more requests in it than it has workers. */
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { inForce, placeOf, workerCount } from '../nginx/passes.ts';
import { placeIn, type Pool } from '../pools.ts';
import { directPasses, poolAt } from '../who-passes.ts';

type Found = CheckResult['findings'];

export const keptWorkers: Check = {
  name: 'kept-workers',
  family: 'load',
  deadlineMs: 15_000,
  finds: {
    'keepalive-takes-workers': {
      severity: 'serious',
      when: 'a gateway, or nginx by `keepalive` with `fastcgi_keep_conn on`, may keep as many connections to php-fpm as it has workers: others get none',
    },
    'concurrency-above-workers': { severity: 'warning', when: "a gateway's `concurrency` is a number above the `pm.max_children` of its pool" },
  },
  check: async (context) => ({ findings: [...byGateways(context), ...context.pools.flatMap((pool) => byNginx(context, pool))] }),
};

function byGateways(context: DoctorContext): Found {
  return Object.entries(context.configuration?.host.gateways ?? {}).flatMap(([name, { upstream, keepalive, concurrency }]) => {
    const pool = poolAt(context, upstream);
    const most = Number(pool?.maxChildren?.value);
    if (!pool || !(most > 0)) return [];
    const about = { subject: `gateway ${name}`, source: placeIn(pool, pool.maxChildren) };
    const kept = typeof keepalive === 'number' && keepalive >= most ? [taken(about, { kept: keepalive, most, pool, change: `gateways.${name}.keepalive: auto` })] : [];
    if (typeof concurrency !== 'number' || concurrency <= most) return kept;
    const above = {
      id: 'concurrency-above-workers',
      ...about,
      what: `It lets ${concurrency} requests in at once; the pool ${pool.name} has ${most} workers.`,
      why: "What is above the workers waits in php-fpm's own queue: in no order, and lost when php-fpm is restarted. In the gateway it would wait and go through.",
      change: `gateways.${name}.concurrency: auto`,
    };
    return [...kept, above];
  });
}

function byNginx(context: DoctorContext, pool: Pool): Found {
  const most = Number(pool.maxChildren?.value);
  const workers = context.nginx ? workerCount(context.nginx, context.outside.cpus) : 1;
  const keeping = directPasses(context, pool).filter((pass) => inForce(pass.scope, 'fastcgi_keep_conn')[0]?.words[0] === 'on');
  const upstreams = new Map(keeping.flatMap(({ upstream }) => (upstream ? [[upstream.name, upstream]] : [])));
  return [...upstreams].flatMap(
    ([
      name,
      {
        line: { block = [] },
      },
    ]) => {
      const line = block.find((one) => one.name === 'keepalive');
      if (!line) return [];
      const each = Number(line.words[0]);
      if (!(most > 0) || !(each * workers >= most)) return [];
      return [
        taken(
          { subject: `upstream ${name} of nginx`, source: placeIn(pool, pool.maxChildren) },
          { kept: each * workers, most, pool, change: `${placeOf(line)}: keepalive ${Math.max(1, Math.floor(most / 2 / workers))};` },
        ),
      ];
    },
  );
}

function taken(
  about: { readonly subject: string; readonly source: string },
  { kept, most, pool, change }: { readonly kept: number; readonly most: number; readonly pool: Pool; readonly change: string },
): Found[number] {
  return {
    id: 'keepalive-takes-workers',
    ...about,
    what: `It may keep ${kept} connections to the pool ${pool.name}, which has ${most} workers.`,
    why: 'A kept connection occupies a worker while nobody uses it. When all are kept, whoever needs a new one (another site, a status page, goodgateway) waits for ever.',
    change,
  };
}
