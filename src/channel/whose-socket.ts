import { lstatSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Why whoever listens on this unix socket is not to be believed; `undefined` when he is, or when there is no socket.
 * Believed are root, we ourselves, and the owner of the folder, who could put anything in its place anyway. Another
 * user can only have made it because the name was free for a moment.
 */
export function whyNotTrusted(path: string): string | undefined {
  const [socket, folder] = [look(path), look(dirname(path))];
  if (!socket || !folder) return undefined;
  if (socket.uid === 0 || socket.uid === process.getuid?.() || socket.uid === folder.uid) return undefined;
  return `${path} belongs to the user ${socket.uid}, who is neither root nor this user nor the owner of its folder: it is not the healer's; find out who made it, and remove it`;
}

/** Who may not even see the socket cannot connect to it, and is told so by the connect. */
function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
