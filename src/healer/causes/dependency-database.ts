import type { Cause } from '../leaves.ts';
import { suspectDependency } from './read-dependency.ts';

/** A database that the service needs is in trouble, and so is the service. @see suspectDependency */
export const dependencyDatabase: Cause = { name: 'dependency.database', suspect: (file) => suspectDependency(file, 'dependency.database', 'database') };
