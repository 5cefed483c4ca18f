/** A setting is wrong, or a limit too small: one line for each file `configuration-*.ts`. */
import type { Scenes } from '../fault.ts';
import { brokenConfiguration } from './configuration-broken.ts';
import { names } from './configuration-dns.ts';
import { disks } from './configuration-disk.ts';
import { limits } from './configuration-limits.ts';
import { patience } from './configuration-patience.ts';
import { protocols } from './configuration-protocol.ts';
import { sockets } from './configuration-socket.ts';
import { stores } from './configuration-stores.ts';

export const configuration: Scenes = {
  ...brokenConfiguration,
  ...sockets,
  ...names,
  ...stores,
  ...patience,
  ...protocols,
  ...limits,
  ...disks,
};
