/** All scenes: one line for each file of `families/`. */
import type { Scenes } from './fault.ts';
import { brokenConfiguration } from './families/configuration-broken.ts';
import { sockets } from './families/configuration-socket.ts';
import { httpService } from './families/service-http.ts';
import { phpService } from './families/service-php.ts';
import { storeService } from './families/service-stores.ts';

export const scenes: Scenes = {
  ...phpService,
  ...httpService,
  ...storeService,
  ...brokenConfiguration,
  ...sockets,
};
