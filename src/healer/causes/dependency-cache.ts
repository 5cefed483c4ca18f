import type { Cause } from '../leaves.ts';
import { suspectDependency } from './read-dependency.ts';

/** A cache that the service needs is in trouble, and so is the service. @see suspectDependency */
export const dependencyCache: Cause = { name: 'dependency.cache', suspect: (file) => suspectDependency(file, 'dependency.cache', 'cache') };
