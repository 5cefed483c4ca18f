import type { Suspect } from '../../src/core/diagnosis.ts';
import { systemClock, type Clock } from '../../src/core/time.ts';
import type { ActionContext, ServiceTarget } from '../../src/healer/leaves.ts';
import { runCommand } from '../../src/healer/run-command.ts';
import * as types from '../../src/healer/services/registry.ts';

const suspect: Suspect = { cause: 'service.crashed', confidence: 'certain', subject: 'shop', sentence: 'php-fpm was killed.', because: [], against: [], remedy: 'Start it.' };

/** What an action is given, with the real parts; `used` and `told` say what it did to the gateways and whom it told what. */
export function contextOf(target: ServiceTarget, more: Partial<ActionContext> & { readonly clock?: Clock } = {}): ActionContext & { readonly used: number[]; readonly told: string[] } {
  const [used, told]: [number[], string[]] = [[], []];
  return {
    target,
    serviceType: types[target.config.type],
    run: runCommand,
    clock: systemClock,
    suspect,
    incident: '01JDNV00000000000000INC1DN',
    timeoutMs: 86_400_000,
    signal: AbortSignal.timeout(20_000),
    used,
    told,
    isWell: () => undefined,
    shed: async ({ keep }) => void used.push(keep),
    useUpstream: async (index) => void used.push(index),
    tell: async (text, to) => void told.push(to ? `${to.join(', ')}: ${text}` : text),
    ...more,
  };
}
