import type { Address } from '../core/failure.ts';
import type { DoctorContext } from './check.ts';
import { placeOf } from './nginx/passes.ts';

/** A TCP address that nginx or a gateway connects to, and where that is written. */
export interface TcpTarget {
  readonly address: Extract<Address, { readonly kind: 'tcp' }>;
  readonly place: string;
  readonly who: string;
}

/** All of them, each address once. */
export function tcpTargets({ nginx, configuration }: DoctorContext): readonly TcpTarget[] {
  const ofNginx = (nginx?.passes ?? []).flatMap((pass) => {
    const places = pass.upstream
      ? pass.upstream.peers.filter(({ words }) => !words.includes('down')).map(({ address, line }) => ({ address, line }))
      : [{ address: pass.addresses[0], line: pass.line }];
    return places.flatMap(({ address, line }) => (address?.kind === 'tcp' ? [{ address, place: placeOf(line), who: 'nginx' }] : []));
  });
  const file = configuration?.files[0] ?? 'goodgateway.yaml';
  const ofGateways = Object.entries(configuration?.host.gateways ?? {}).flatMap(([name, { upstream }]) =>
    upstream.kind === 'tcp' ? [{ address: upstream, place: `${file}, gateways.${name}.upstream`, who: `The gateway ${name}` }] : [],
  );
  return [...new Map([...ofNginx, ...ofGateways].map((one) => [`${one.address.host} ${one.address.port}`, one])).values()];
}
