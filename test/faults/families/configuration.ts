/** A setting is wrong, or a limit too small: one line for each file `configuration-*.ts`. */
import type { Scenes } from '../fault.ts';
import { brokenConfiguration } from './configuration-broken.ts';
import { names } from './configuration-dns.ts';
import { sockets } from './configuration-socket.ts';

export const configuration: Scenes = {
  ...brokenConfiguration,
  ...sockets,
  ...names,
};
