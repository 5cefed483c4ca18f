import type { Cause } from '../leaves.ts';
import { suspectDependency } from './read-dependency.ts';

/** Another service that this one needs is in trouble, and so is this one. @see suspectDependency */
export const dependencyOther: Cause = { name: 'dependency.other', suspect: (file) => suspectDependency(file, 'dependency.other', 'other') };
