import type { Check } from '../check.ts';

const setting = '/proc/sys/vm/overcommit_memory';

/** Redis copies itself to save; the kernel's careful default can refuse that although there is memory. */
export const redisMemory: Check = {
  name: 'redis-memory',
  family: 'load',
  deadlineMs: 15_000,
  finds: { 'redis-overcommit': { severity: 'info', when: 'Redis runs here, and `vm.overcommit_memory` is 0: its saving can fail, and then it refuses writes (MISCONF)' } },
  check: async ({ files, processes }) => {
    const redis = processes.find(({ command }) => /^\S*redis-server /.test(`${command} `));
    const value = redis ? (await files.text(setting))?.trim() : undefined;
    if (value !== '0') return { findings: [] };
    return {
      findings: [
        {
          id: 'redis-overcommit',
          subject: 'redis-server',
          what: 'vm.overcommit_memory is 0.',
          why: 'To save its data Redis makes a copy of itself. When memory is tight the kernel refuses that; then Redis refuses all writes ("MISCONF"), and sessions and carts fail.',
          change: "echo 'vm.overcommit_memory = 1' > /etc/sysctl.d/60-redis.conf && sysctl --system",
          source: setting,
        },
      ],
    };
  },
};
