import t from 'tap';
import { busy } from './busy.ts';
import { testScenes } from './test-scenes.ts';

testScenes(t, busy);
