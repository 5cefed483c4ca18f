import type { PolicyConfig } from '../config/policy-schema.ts';
import type { Healer, Ward } from './healer.ts';
import type { Dependency } from './leaves.ts';

/** What a service needs by its `depends_on`, as far as the healer looks after it, with the incident that each has open. */
export function dependenciesOf(ward: Ward, healer: Pick<Healer, 'wards' | 'state'>): readonly Dependency[] {
  const { incidents } = healer.state.state();
  return ward.policy.depends_on.flatMap((name) => {
    const needed = healer.wards.get(name);
    if (!needed || needed === ward) return [];
    const { upstreams, current } = needed.target();
    return [{ name, kind: kindOf(needed.policy), trouble: incidents.find(({ service }) => service === name)?.symptom.text, address: upstreams[current] }];
  });
}

/** What it is is told by how it is verified. A database and a cache hold data; what else a service is does not matter here. */
export function kindOf({ verify: { checks } }: PolicyConfig): Dependency['kind'] {
  if (checks.some((check) => 'mysql' in check)) return 'database';
  return checks.some((check) => 'redis' in check || 'memcached' in check) ? 'cache' : 'other';
}
