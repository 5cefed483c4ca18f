import type { z } from 'zod';
import * as actions from './actions/registry.ts';

/** The options that each action of this version takes, for the loader of policies. */
export const actionOptions: Readonly<Record<string, z.ZodType>> = Object.fromEntries(Object.values(actions).map((action) => [action.name, action.options]));
