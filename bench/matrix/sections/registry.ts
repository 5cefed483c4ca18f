/** In the order in which they are printed. */
import type { Section } from '../section.ts';
import { failures } from './failures.ts';
import { fastcgi } from './fastcgi.ts';
import { keepaliveRace } from './keepalive-race.ts';
import { restartGap } from './restart-gap.ts';
import { smuggling } from './smuggling.ts';

export const sections: readonly Section[] = [failures, restartGap, keepaliveRace, fastcgi, smuggling];
