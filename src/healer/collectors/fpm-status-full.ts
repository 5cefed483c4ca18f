import { askFpmPage, statusPageOf } from '../probes/read-fpm-page.ts';
import { readFpmPool } from '../probes/read-fpm-pool.ts';
import type { Collector } from '../leaves.ts';

/** php-fpm's full status page: what each worker is doing, and since when. Only where the pool has one that can answer. */
export const fpmStatusFull: Collector = {
  name: 'fpm_status_full',
  applies: (target) => target.protocol === 'fastcgi' && target.upstreams.length > 0,
  async collect({ target, state, maxBytes }, signal) {
    const page = statusPageOf(target, readFpmPool(target, state.mainPid));
    if (!page) throw new Error('the pool has no status page (pm.status_path)');
    const read = await askFpmPage(page, { query: 'full&json', limitBytes: maxBytes }, signal);
    if ('missing' in read) throw new Error(read.missing);
    return read.text;
  },
};
