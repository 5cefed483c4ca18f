/** Settings against the traffic that php-fpm and goodgateway have counted. What nobody counts is said to be not measured. */
import { z } from 'zod';
import { formatAddress } from '../../core/failure.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { together } from '../finding.ts';
import { fpmAddress } from '../../healer/probes/read-fpm-pool.ts';
import { placeIn, type Pool } from '../pools.ts';

const statusSchema = z.object({
  'start since': z.number(),
  'accepted conn': z.number(),
  'max listen queue': z.number(),
  'max active processes': z.number(),
  'max children reached': z.number(),
});
type Counted = z.output<typeof statusSchema>;

const pageBytes = 65_536;

export const measuredTraffic: Check = {
  name: 'measured-traffic',
  family: 'load',
  deadlineMs: 15_000,
  finds: {
    'workers-were-exhausted': { severity: 'warning', when: 'php-fpm counted that all workers of a pool were taken (`max children reached`)' },
    'workers-nearly-exhausted': { severity: 'info', when: "the most workers that were busy at once are 90 % or more of the pool's `pm.max_children`" },
  },
  check: async (context, signal) => {
    const results = await Promise.all(context.pools.map((pool) => hold(context, pool, signal)));
    const unknown = results.flatMap((result, index) => (typeof result === 'string' ? [{ name: context.pools[index]?.name ?? '', why: result }] : []));
    return { findings: results.flatMap((result) => (typeof result === 'string' ? [] : result)), unseen: together('most requests at once of', unknown) };
  },
};

async function hold({ outside }: DoctorContext, pool: Pool, signal: AbortSignal): Promise<CheckResult['findings'] | string> {
  const subject = `pool ${pool.name} (${pool.main})`;
  const notMeasured = (why: string): string => `not measured: ${why}`;
  const path = pool.setting('pm.status_path')?.value;
  // only of its own address: on the pool's, the question would take a worker from a visitor
  const address = fpmAddress(pool.setting('pm.status_listen')?.value);
  if (!path || !address) return notMeasured('the pool has no pm.status_listen with pm.status_path');
  const answer = await outside.fpmStatus({ address, path }, signal);
  if ('missing' in answer) return notMeasured(answer.missing);
  const counted = parse(answer.text);
  return counted ? judge(pool, subject, counted) : notMeasured(`${formatAddress(address)} did not answer with php-fpm's status`);
}

function judge(pool: Pool, subject: string, counted: Counted): CheckResult['findings'] {
  const most = Number(pool.maxChildren?.value);
  const [busy, reached, queue] = [counted['max active processes'], counted['max children reached'], counted['max listen queue']];
  if (!(most > 0) || (reached === 0 && busy < 0.9 * most)) return [];
  const place = placeIn(pool, pool.maxChildren);
  return [
    {
      id: reached > 0 ? 'workers-were-exhausted' : 'workers-nearly-exhausted',
      subject,
      what: `In ${age(counted['start since'])} and ${counted['accepted conn']} requests at most ${busy} of ${most} workers were busy at once; all were taken ${reached} ${reached === 1 ? 'time' : 'times'}, and up to ${queue} requests waited.`,
      why: reached > 0 ? 'Whoever comes then waits, and above the length of the queue gets "502 Bad Gateway".' : 'A little more traffic, or one slow page, and visitors wait.',
      change: `first see what the workers wait for (the slow log, the database); only if there is memory for it: ${place}: pm.max_children = ${Math.ceil(most * 1.5)}`,
      source: `php-fpm's status page of ${pool.name}`,
    },
  ];
}

function age(seconds: number): string {
  return seconds < 7200 ? `${Math.round(seconds / 60)} minutes` : seconds < 172_800 ? `${Math.round(seconds / 3600)} hours` : `${Math.round(seconds / 86_400)} days`;
}

function parse(text: string): Counted | undefined {
  try {
    return statusSchema.safeParse(JSON.parse(text.slice(0, pageBytes))).data;
  } catch {
    return undefined;
  }
}
