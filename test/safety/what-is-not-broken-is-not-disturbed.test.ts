import t from 'tap';
import { fullDisks } from './full-disks.ts';
import { testScenes } from './test-scenes.ts';
import { unbroken } from './unbroken.ts';

testScenes(t, [...unbroken, ...fullDisks]);
