import type { PolicyConfig } from '../config/policy-schema.ts';
import type { Address } from '../core/failure.ts';
import { usualSpeech } from './ask-datastore.ts';
import type { Healer, Ward } from './healer.ts';
import type { Dependency } from './leaves.ts';

/** What a service needs by its `depends_on`, as far as the healer looks after it, with the incident that each has open. */
export function dependenciesOf(ward: Ward, healer: Pick<Healer, 'wards' | 'state'>): readonly Dependency[] {
  const { incidents } = healer.state.state();
  return ward.policy.depends_on.flatMap((name) => {
    const needed = healer.wards.get(name);
    if (!needed || needed === ward) return [];
    const { upstreams, current } = needed.target();
    return [dependencyOf(needed.policy, upstreams[current], incidents.find(({ service }) => service === name)?.symptom.text)];
  });
}

/** A service of this policy as one that another needs: where it is reached, how it is spoken to, and what is wrong with it already. */
export function dependencyOf(policy: PolicyConfig, address: Address | undefined, trouble: string | undefined): Dependency {
  const speaks = speechOf(policy, address);
  return { name: policy.name, kind: kindOf(speaks), trouble, address, ...(speaks && { speaks }) };
}

/** What it is, is told by how it is verified, else by where it listens. */
function speechOf({ verify: { checks } }: PolicyConfig, address: Address | undefined): Dependency['speaks'] {
  return (['mysql', 'redis', 'memcached'] as const).find((word) => checks.some((check) => word in check)) ?? (address && usualSpeech(address));
}

function kindOf(speaks: Dependency['speaks']): Dependency['kind'] {
  if (speaks === 'mysql' || speaks === 'postgres') return 'database';
  return speaks === 'redis' || speaks === 'memcached' ? 'cache' : 'other';
}
