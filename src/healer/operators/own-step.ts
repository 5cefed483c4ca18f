import type { OperatorAnswer } from '../../channel/operator-messages.ts';
import type { ActionName } from '../../core/decision.ts';
import type { Healer, Ward } from '../healer.ts';
import type { Action } from '../leaves.ts';
import { touches } from '../policy/gates.ts';
import { longestCommandMs } from '../service-parts/step-result.ts';
import { refused } from './answers.ts';

/** An action as this service's own policy would do it. */
export interface OwnStep {
  readonly action: Action;
  readonly options: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  /** Not into a configuration that fails its test. */
  readonly configTest: boolean;
}

/** Where the policy has no such step: long enough for a stop that has to escalate, and a start. */
const usualTimeoutMs = 300_000;

/**
 * The action with the options and the time limit of the policy's own step of that name, else with its defaults; or the
 * answer why it cannot be done. Nothing of it comes from the request but the name.
 */
export function ownStep(name: ActionName, ward: Ward, healer: Healer): OwnStep | OperatorAnswer {
  const { policy, serviceType } = ward;
  if (serviceType.name === 'external') return refused(`${ward.name} is external: goodgateway reaches it, and controls nothing of it`);
  const action = healer.actions.get(name);
  if (!action || !touches(action)) return refused(`${name} is nothing that can be done to a service by hand; these are: ${doable(healer)}`);
  if (policy.never.includes(name)) return refused(`the policy ${policy.name} forbids ${name} altogether (never), also by this command; the service's own tool is not bound by it`);
  if (isVerb(name) && !serviceType.can(ward.target(), name)) return refused(`the policy of ${ward.name} offers no ${name}`);
  const rungs = policy.rules.flatMap((rule) => rule.try).filter((rung) => rung.do === name);
  const written = new Set(rungs.map((rung) => JSON.stringify(rung.with ?? {})));
  if (written.size > 1) return refused(`the policy ${policy.name} has ${written.size} steps ${name} with different options: which one is meant cannot be said by this command`);
  const [rung] = rungs;
  const options = action.options.safeParse({});
  if (!rung && !options.success) return refused(`${name} needs options, and the policy ${policy.name} has no step ${name} that would say them`);
  return {
    action,
    options: rung?.with ?? options.data ?? {},
    timeoutMs: Math.min(longestCommandMs, rung?.timeout ?? usualTimeoutMs),
    configTest: action.configTest || (rung?.first.includes('config_test') ?? false),
  };
}

function isVerb(name: ActionName): name is 'start' | 'stop' | 'reload' | 'restart' {
  return name === 'start' || name === 'stop' || name === 'reload' || name === 'restart';
}

function doable({ actions }: Healer): string {
  return [...actions.values()]
    .filter(touches)
    .map(({ name }) => name)
    .join(', ');
}
