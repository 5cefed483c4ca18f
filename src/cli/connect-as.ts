import type { Address, UpstreamFailure } from '../core/failure.ts';
import type { User } from '../doctor/accounts.ts';
import { connectProbe } from '../upstream/probe.ts';

const connectMs = 3000;

/**
 * Connects as another user and closes; `undefined` when the connection was taken. For root only; throws where root may
 * not become another user (a container without that right). The kernel judges at the moment of connect(), which Node
 * calls before this function waits for anything: root is itself again by then.
 */
export function connectAs(user: User, address: Address): Promise<UpstreamFailure | undefined> {
  const before = { groups: process.getgroups?.() ?? [], gid: process.getegid?.() ?? 0, uid: process.geteuid?.() ?? 0 };
  try {
    process.setgroups?.([...user.gids]);
    process.setegid?.(user.gids[0] ?? before.gid);
    process.seteuid?.(user.uid);
    return connectProbe(address, connectMs);
  } finally {
    if (process.geteuid?.() !== before.uid) process.seteuid?.(before.uid);
    if (process.getegid?.() !== before.gid) process.setegid?.(before.gid);
    if (process.getgroups?.().join() !== before.groups.join()) process.setgroups?.([...before.groups]);
  }
}
