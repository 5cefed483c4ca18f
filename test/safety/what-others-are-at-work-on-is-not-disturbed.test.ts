import t from 'tap';
import { changes } from './changes.ts';
import { testScenes } from './test-scenes.ts';

testScenes(t, changes);
