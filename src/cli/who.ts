/** Who asks, as this process knows it. Claimed, not proven: whoever may open the control socket may ask. */
import { readlinkSync } from 'node:fs';
import { isIP } from 'node:net';
import { userInfo } from 'node:os';

const longest = 200;

/** Where a claim is read from. */
export interface Claims {
  readonly user: string;
  readonly uid: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly terminal: string | undefined;
}

/** `maria (uid 1000, pts/0, from 192.0.2.7)`; behind sudo who called it is named first. At most 200 characters, all printable. */
export function whoAsks(claims: Claims = claimsOfThisProcess()): string {
  const { user, uid, environment, terminal } = claims;
  const caller = environment['SUDO_USER'];
  const name = caller !== undefined && caller !== user ? `${caller} as ${user}` : user;
  const about = [`uid ${uid}`, terminal, peerOf(environment['SSH_CONNECTION'])].filter((part) => part !== undefined && part !== '');
  return `${name} (${about.join(', ')})`.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, longest);
}

function peerOf(connection: string | undefined): string | undefined {
  const peer = connection?.split(' ')[0] ?? '';
  return isIP(peer) > 0 ? `from ${peer}` : undefined;
}

function claimsOfThisProcess(): Claims {
  const { user, uid } = account();
  return { user, uid, environment: process.env, terminal: terminal() };
}

function account(): { readonly user: string; readonly uid: number } {
  try {
    const { username, uid } = userInfo();
    return { user: username, uid };
  } catch {
    // a uid without an entry in the user database
    const uid = process.getuid?.() ?? -1;
    return { user: 'somebody', uid };
  }
}

/** The terminal of whichever stream has one. */
function terminal(): string | undefined {
  for (const descriptor of [0, 2, 1]) {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`);
      if (/^\/dev\/(pts\/\d+|tty\w+)$/.test(path)) return path.slice('/dev/'.length);
    } catch {
      // best effort: without /proc, or a closed stream
    }
  }
  return undefined;
}
