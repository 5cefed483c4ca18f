import type { Address, UpstreamFailure } from '../core/failure.ts';
import type { User } from '../doctor/accounts.ts';
import { connectProbe } from '../upstream/probe.ts';

const connectMs = 3000;

/**
 * Connects as another user and closes; `undefined` when the connection was taken. For root only. The kernel judges at
 * the moment of connect(), which Node calls before this function waits for anything: root is itself again by then.
 */
export function connectAs(user: User, address: Address): Promise<UpstreamFailure | undefined> {
  const before = { groups: process.getgroups?.() ?? [], gid: process.getegid?.() ?? 0, uid: process.geteuid?.() ?? 0 };
  process.setgroups?.([...user.gids]);
  process.setegid?.(user.gids[0] ?? before.gid);
  process.seteuid?.(user.uid);
  try {
    return connectProbe(address, connectMs);
  } finally {
    process.seteuid?.(before.uid);
    process.setegid?.(before.gid);
    process.setgroups?.([...before.groups]);
  }
}
