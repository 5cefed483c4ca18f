/**
 * The gates in their one fixed order. Each says, with its numbers, whether an action may be done now. All are asked, so
 * that the record shows everything that stood in the way and not only the first. Pure: no gate looks at the machine.
 */
import { gateNames, type GateName, type GateResult } from '../../core/decision.ts';
import { approvalGate } from './approvals.ts';
import { breaker, cooldown, hostBudget, maxAttempts } from './budget-gates.ts';
import type { GateInput, Verdict } from './gates.ts';
import { enabled, maintenance, paused } from './hands-off-gates.ts';
import { changeInProgress, deliberateStop, dependencyOpen, humansFirst, supervisorFirst } from './others-first-gates.ts';
import { confidence, never } from './proof-gates.ts';

/**
 * Asks every gate, in the order of {@link gateNames}. Config test and fence cost something and are left `not_evaluated`;
 * so is an approval that is needed while another gate refuses: nobody is asked about what is not done anyway.
 */
export function askGates(input: GateInput): readonly GateResult[] {
  const results = gateNames.map((gate): GateResult => ({ gate, ...gates[gate](input) }));
  const refused = results.some(({ gate, verdict }) => gate !== 'approval' && verdict === 'refuse');
  return results.map((result) => (refused && result.gate === 'approval' && result.verdict === 'refuse' ? { gate: 'approval', ...later } : result));
}

const later: Verdict = { verdict: 'not_evaluated', reason: 'asked only when every other gate passes' };

const gates: Readonly<Record<GateName, (input: GateInput) => Verdict>> = {
  enabled,
  paused,
  maintenance,
  change_in_progress: changeInProgress,
  deliberate_stop: deliberateStop,
  humans_first: humansFirst,
  supervisor_first: supervisorFirst,
  dependency_open: dependencyOpen,
  never,
  confidence,
  breaker,
  host_budget: hostBudget,
  max_attempts: maxAttempts,
  cooldown,
  approval: approvalGate,
  config_test: () => later,
  fence: () => later,
};
