/** The gateway knows its backend by a name, and the name server does not do its part. */
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { startNameServer, type NameServerManner } from '../stacks/name-server.ts';
import { nodeStack } from '../stacks/node.ts';

export const names: Scenes = {
  'dns-silent': (t) => nameServer(t, 'silent'),
  'dns-unknown-name': (t) => nameServer(t, 'ignorant'),
  'dns-wrong-answer': (t) => nameServer(t, 'wrong'),
  'dns-slow': (t) => nameServer(t, 'slow'),
};

/** No connection is kept: one that is kept needs no name any more. */
async function nameServer(t: TestScope, manner: NameServerManner): Promise<Scene> {
  const { name, within, behave } = await startNameServer(t);
  const { at } = await nodeStack(t, { within, upstream: (port) => `${name}:${port}`, gateway: { keepalive: 'none' } });
  return { at, inject: () => behave(manner), takeAway: () => behave('right') };
}
