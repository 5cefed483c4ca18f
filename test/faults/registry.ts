/** All scenes: one line for each file of `families/`. */
import type { Scenes } from './fault.ts';
import { nodeApplication } from './families/application-node.ts';
import { application } from './families/application.ts';
import { change } from './families/change.ts';
import { configuration } from './families/configuration.ts';
import { host } from './families/load-host.ts';
import { network } from './families/load-network.ts';
import { slowPages } from './families/load-slow-pages.ts';
import { outOfMemory } from './families/out-of-memory.ts';
import { firewall } from './families/port-firewall.ts';
import { ports } from './families/ports.ts';
import { httpService } from './families/service-http.ts';
import { phpService } from './families/service-php.ts';
import { storeService } from './families/service-stores.ts';
import { systemdService } from './families/service-systemd.ts';

export const scenes: Scenes = {
  ...phpService,
  ...httpService,
  ...outOfMemory,
  ...storeService,
  ...configuration,
  ...systemdService,
  ...host,
  ...network,
  ...slowPages,
  ...ports,
  ...firewall,
  ...application,
  ...nodeApplication,
  ...change,
};
