import { systemClock } from '../../src/core/time.ts';
import { listenForProxies, type ProxyLink, type ProxyLinkOptions } from '../../src/healer/proxy-link.ts';
import type { TestScope } from './temp-folder.ts';

/** The healer's end of the channel without a healer behind it: nothing is made of what proxies say, but for what the test names. Closed with the test. */
export async function listenAsHealer(t: TestScope, options: Pick<ProxyLinkOptions, 'path' | 'inForce'> & Partial<ProxyLinkOptions>): Promise<ProxyLink> {
  const nothing = (): void => undefined;
  const link = await listenForProxies({
    clock: systemClock,
    product: '0',
    onFailure: nothing,
    onSummary: nothing,
    onDeath: nothing,
    onSurvival: nothing,
    quarantines: () => [],
    restraint: () => ({ off: false, servicesOff: [], breakerOpen: false }),
    answer: async () => '{}',
    log: { info: nothing, warn: nothing },
    ...options,
  });
  t.teardown(() => link.close());
  return link;
}
