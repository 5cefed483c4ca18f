import type { ActionTable } from './policy/gates.ts';
import * as actions from './actions/registry.ts';

/** The limits of every action of this version, for whoever decides without acting. */
export const actionTable: ActionTable = new Map(Object.values(actions).map((action) => [action.name, action]));
