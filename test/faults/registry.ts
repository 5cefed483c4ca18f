/** All scenes: one line for each file of `families/`. */
import type { Scenes } from './fault.ts';
import { phpService } from './families/service-php.ts';

export const scenes: Scenes = {
  ...phpService,
};
