/** A Node application that answers errors, or no HTTP at all. */
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { nodeStack } from '../stacks/node.ts';

export const nodeApplication: Scenes = {
  'node-errors': (t) => behaves(t, 'answers-500'),
  'duplicate-content-length': (t) => behaves(t, 'says-two-lengths'),
  'junk-answer': (t) => behaves(t, 'speaks-something-else'),
  'answer-cut': (t) => behaves(t, 'breaks-off-in-the-header'),
};

async function behaves(t: TestScope, manner: string): Promise<Scene> {
  const { at, behave } = await nodeStack(t);
  return { at, inject: () => behave(manner), takeAway: () => behave('well') };
}
