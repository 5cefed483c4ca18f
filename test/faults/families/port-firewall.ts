/** A packet filter is in the way: rules of iptables and nftables, in the lab's own network namespace. */
import { succeed } from '../../support/program.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { phpStack } from '../stacks/php.ts';

const iptables = '/usr/sbin/iptables';
const nft = '/usr/sbin/nft';

export const firewall: Scenes = {
  'firewall-drop': (t) => filtered(t, (port) => rule(['-p', 'tcp', '--dport', port, '-j', 'DROP'])),
  'firewall-reset': (t) => filtered(t, (port) => rule(['-p', 'tcp', '--dport', port, '-j', 'REJECT', '--reject-with', 'tcp-reset'])),
  'firewall-reject': (t) =>
    filtered(t, (port) => {
      const table = `reject_${port}`;
      const text = `table inet ${table} { chain input { type filter hook input priority 0; policy accept; tcp dport ${port} counter reject; }; }`;
      return { add: [nft, text], remove: [nft, 'delete', 'table', 'inet', table] };
    }),
};

interface Rule {
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

function rule(words: readonly string[]): Rule {
  return { add: [iptables, '-w', '5', '-I', 'INPUT', ...words], remove: [iptables, '-w', '5', '-D', 'INPUT', ...words] };
}

async function filtered(t: TestScope, make: (port: string) => Rule): Promise<Scene> {
  const { at, fpm } = await phpStack(t, { fpm: { listen: 'tcp' } });
  const { add, remove } = make(fpm.address.split(':').at(-1)!);
  let isThere = false;
  const inject = async (): Promise<void> => {
    await succeed(add);
    isThere = true;
  };
  const takeAway = async (): Promise<void> => {
    if (isThere) await succeed(remove);
    isThere = false;
  };
  t.teardown(takeAway);
  return { at, inject, takeAway };
}
