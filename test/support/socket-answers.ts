import { connect, type NetConnectOpts } from 'node:net';

/** Does anything come back within a second, after these words or by itself? */
export function answers(where: NetConnectOpts, words: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where);
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('connect', () => words !== undefined && socket.write(words));
    socket.once('data', () => end(true));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}
