import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Collector } from '../leaves.ts';

/** Free space and inodes where the service writes: its logs, its pidfile, goodgateway's own state, /tmp and /var. */
export const diskUsage: Collector = {
  name: 'disk_usage',
  applies: () => true,
  async collect({ target }) {
    const { config } = target;
    const pidfile = 'pidfile' in config && config.pidfile !== undefined ? [dirname(config.pidfile)] : [];
    const folders = [...new Set([...(config.log ?? []).map((file) => dirname(file)), ...pidfile, target.stateFolder, '/tmp', '/var'])];
    return (await Promise.all(folders.map(usage))).join('\n');
  },
};

async function usage(folder: string): Promise<string> {
  try {
    const { bsize, blocks, bavail, files, ffree } = await statfs(folder);
    return `${folder}: ${Math.floor((bavail * bsize) / 1024 ** 2)} MiB free of ${Math.floor((blocks * bsize) / 1024 ** 2)}; ${ffree} inodes free of ${files}`;
  } catch (error) {
    return `${folder}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
