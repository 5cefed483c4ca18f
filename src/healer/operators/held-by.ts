import { formatDuration } from '../../core/time.ts';
import type { Healer, Ward } from '../healer.ts';
import type { HostHistory, ServiceHistory } from '../policy/limits.ts';

/**
 * What keeps goodgateway from acting on the service (without one: on the whole host) by the word of people, each with
 * what ends it; as the end of an answer, or nothing.
 */
export function heldBy(ward: Ward | undefined, healer: Healer): string {
  const { host, services } = healer.state.state();
  const own = ward && services.get(ward.name);
  const held = [
    ...(healer.safety.enabled ? [] : ['healing is switched off by the configuration (safety.enabled: false)']),
    ...restraints('this host', '', host, healer),
    ...(host.breaker ? [`the circuit breaker is open: ${host.breaker.reason} (goodgateway on)`] : []),
    ...(ward && own ? restraints(ward.name, ` ${ward.name}`, own, healer) : []),
    ...(ward && own?.gaveUp ? [`${ward.name} was given up: ${own.gaveUp.reason} (goodgateway ack ${ward.name})`] : []),
    ...(ward?.policy.mode === 'observe' ? [`the policy's mode is observe`] : []),
  ];
  return held.length === 0 ? '' : ` But nothing is done yet: ${held.join('; ')}.`;
}

function restraints(name: string, word: string, { off, paused }: Pick<HostHistory | ServiceHistory, 'off' | 'paused'>, { clock }: Healer): readonly string[] {
  const leftMs = paused ? paused.untilMs - clock.monotonicMs() : 0;
  return [
    ...(off ? [`healing of ${name} is switched off by ${off.by}: ${off.reason} (goodgateway on${word})`] : []),
    ...(paused && leftMs > 0 ? [`healing of ${name} is paused for ${formatDuration(leftMs)} more: ${paused.reason} (goodgateway resume${word})`] : []),
  ];
}
