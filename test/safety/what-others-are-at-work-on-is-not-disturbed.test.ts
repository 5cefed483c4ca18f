import t from 'tap';
import { changes } from './changes.ts';
import { fullDisks } from './full-disks.ts';
import { testScenes } from './test-scenes.ts';

testScenes(t, [...changes, ...fullDisks]);
