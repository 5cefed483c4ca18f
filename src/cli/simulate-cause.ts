import { join } from 'node:path';
import { z } from 'zod';
import { operatorAnswerSchema } from '../channel/operator-messages.ts';
import type { CauseName, Confidence } from '../core/diagnosis.ts';
import { incidentCode } from '../core/ids.ts';
import { formatDuration } from '../core/time.ts';
import type { Configuration } from '../config/load.ts';
import { actionTable } from '../healer/action-table.ts';
import { quietSurroundings } from '../healer/policy/surroundings.ts';
import { assumedDiagnosis, assumedState } from '../healer/simulate/assumed-service.ts';
import { explain, explanationSchema, type Explanation } from '../healer/simulate/explanation.ts';
import { askHealer } from './ask-healer.ts';
import { complain, plain, printLine, styled, wrap } from './terminal.ts';
import { formatWhen } from './when.ts';

const answerWithinMs = 10_000;

export interface AssumedCause {
  readonly service: string;
  readonly cause: CauseName;
  readonly confidence: Confidence;
}

/** What the policy says of a cause right now, by the running healer; without one by the configuration alone. Exit status 0; 1 when nobody can say; 2 for a service that there is not. */
export async function simulateOneCause(configuration: Configuration, assumed: AssumedCause, json: boolean): Promise<void> {
  if (!configuration.policies.has(assumed.service)) {
    return complain(`no policy has the name ${plain(assumed.service)}; there are ${[...configuration.policies.keys()].join(', ') || 'none'}`, 2);
  }
  const path = join(configuration.host.runtime, 'control.sock');
  const asked = await askHealer(path, { ask: 'simulate', ...assumed }, { answer: z.union([explanationSchema, operatorAnswerSchema]), withinMs: answerWithinMs });
  if ('noAnswer' in asked && !asked.away) return complain(plain(asked.noAnswer), 1);
  if ('ok' in asked && !('steps' in asked)) return complain(plain(asked.text), 1);
  const explanation = 'steps' in asked ? asked : fromConfiguration(configuration, assumed);
  if (json) return printLine(JSON.stringify(explanation));
  for (const line of tell(explanation)) await printLine(line);
}

function fromConfiguration({ policies, safety }: Configuration, { service, cause, confidence }: AssumedCause): Explanation {
  const nowMs = Date.now();
  const { policy, sha256 } = policies.get(service)!;
  return explain(
    {
      now: { wallMs: nowMs, monotonicMs: nowMs },
      incident: { id: 'simulated', service, openedAtMs: nowMs },
      policy,
      policySha256: sha256,
      safety,
      actions: actionTable,
      diagnosis: assumedDiagnosis(service, cause, confidence),
      serviceState: assumedState(cause),
      history: { attempts: [], services: new Map(), host: { failures: [] } },
      surroundings: quietSurroundings,
      approvals: [],
      ladder: [],
      causeSinceMs: nowMs,
    },
    'configuration',
    null,
  );
}

function tell(explanation: Explanation): readonly string[] {
  const { service, mode, cause, confidence, from, state, incident, rule, steps, text } = explanation;
  const source =
    from === 'healer'
      ? `By the running healer: ${state}.${incident === null ? '' : ` Its incident ${incidentCode(incident)} is open, and its ladder is gone on with.`}`
      : 'No healer runs here: this is from the configuration alone, with no history, and with nothing known of the service.';
  return [
    styled('bold', plain(`${service} (${mode}), if the cause were ${cause} (${confidence})`)),
    ...wrap(plain(source)),
    '',
    ...wrap(plain(rule === null ? 'No rule is for it: somebody is told.' : `Rule: "${rule}"`)),
    ...steps.flatMap((step, i) => tellStep(step, i)),
    '',
    ...wrap(plain(`Now: ${text}${/[.!]$/.test(text) ? '' : '.'}`)),
    'Nothing was done, and nothing recorded.',
  ];
}

function tellStep({ action, attempts, timeout_ms: timeoutMs, first, approval, next, gates }: Explanation['steps'][number], index: number): readonly string[] {
  const refusing = gates.filter(({ verdict }) => verdict === 'refuse');
  const passed = gates.filter(({ verdict }) => verdict === 'pass').length;
  const details = [attempts > 1 ? `${attempts} attempts` : '', `at most ${formatDuration(timeoutMs)}`, ...first.map((check) => `first ${check}`), approval ? 'once a person agrees' : ''].filter(
    (part) => part !== '',
  );
  return [
    ...wrap(plain(`${index + 1}. ${action} (${details.join(', ')})`), { indent: next ? '→ ' : '  ', hang: '     ' }),
    ...refusing.flatMap(({ gate, reason, allowed_at: at }) =>
      wrap(plain(`${gate} refuses: ${reason}${at === undefined ? '' : `; until ${formatWhen(Date.parse(at))}`}`), { indent: '     ', hang: '       ' }),
    ),
    `     ${refusing.length === 0 ? `${passed} gates pass` : `${passed} others pass`}; config test and fence are asked when it is done`,
  ];
}
