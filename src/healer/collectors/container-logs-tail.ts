import { containerLogsTail as readContainerLogs } from '../service-parts/container-logs.ts';
import type { Collector } from '../leaves.ts';

/** The container's last 500 lines since it was last well. */
export const containerLogsTail: Collector = {
  name: 'container_logs_tail',
  applies: ({ config }) => config.type === 'docker',
  async collect({ target: { config }, sinceMs }, signal) {
    if (config.type !== 'docker') throw new Error('the service is no container');
    const read = await readContainerLogs(config, { lines: 500, sinceMs }, signal);
    if ('missing' in read) throw new Error(read.missing);
    return read.lines.join('\n');
  },
};
