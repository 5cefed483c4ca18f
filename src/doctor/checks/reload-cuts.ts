import type { Check } from '../check.ts';
import { fpmSeconds } from '../../healer/probes/read-fpm-pool.ts';
import { placeIn } from '../pools.ts';

/** php-fpm's reload with its default kills what is being served. Needs no rights but to read the configuration. */
export const reloadCuts: Check = {
  name: 'reload-cuts',
  family: 'service',
  deadlineMs: 15_000,
  finds: { 'reload-cuts-requests': { severity: 'warning', when: "php-fpm's `process_control_timeout` is 0, its default: a reload kills the requests that are being served" } },
  check: async ({ pools }) => {
    const mains = new Map(pools.map((pool) => [pool.main, pool]));
    const cutting = [...mains.values()].filter((pool) => (fpmSeconds(pool.global('process_control_timeout')?.value) ?? 0) === 0);
    return {
      findings: cutting.map((pool) => {
        const written = pool.global('process_control_timeout');
        return {
          id: 'reload-cuts-requests',
          subject: pool.main,
          what: `process_control_timeout is ${written ? written.value : "0, php-fpm's default"}.`,
          why: 'A reload, as logrotate, certbot and panels do it, ends the workers at once: whoever is being served gets "502 Bad Gateway". For goodgateway a reload counts as a restart therefore.',
          change: `${written ? placeIn(pool, written) : `${pool.main}, below [global]`}: process_control_timeout = 20s`,
          source: written ? placeIn(pool, written) : pool.main,
        };
      }),
    };
  },
};
